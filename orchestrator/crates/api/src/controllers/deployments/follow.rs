//! A deployment as it goes on: its stages and lines as events.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::response::sse::Event;
use cloudbox_api_types::{LogEvent, Queued, StageReport};
use cloudbox_http::api::Api;
use cloudbox_types::{Deployment as Row, DeploymentStatus, StageStatus};
use futures::Stream;

use super::shown;
use crate::controllers::answer::{EventSender, async_stream};

/// How often a followed deployment is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// How far a reader is. As an event's id, `<bytes>-<steps>`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Place {
    /// Bytes of the logs that were sent.
    bytes: usize,
    /// How many beginnings and ends of stages were sent.
    steps: usize,
}

impl Place {
    /// Of a `Last-Event-ID`; the beginning where it is none of ours.
    fn of(id: &str) -> Self {
        let parts =
            id.split_once('-').and_then(|(bytes, steps)| Some((bytes.parse().ok()?, steps.parse().ok()?)));
        parts.map(|(bytes, steps)| Self { bytes, steps }).unwrap_or_default()
    }

    fn id(self) -> String {
        format!("{}-{}", self.bytes, self.steps)
    }
}

/// One thing to be told.
#[derive(Debug, PartialEq)]
enum Told {
    Stage(StageReport),
    Line(LogEvent),
}

/// The events from a place on, until the deployment has ended.
pub(super) fn events(
    api: Arc<Api>,
    first: Row,
    last: &str,
) -> impl Stream<Item = Result<Event, Infallible>> + use<> {
    let mut place = Place::of(last);
    async_stream(move |sender| async move {
        let (mut deployment, mut turn) = (first, None);
        loop {
            let now = api.backend.queue_place(deployment.id);
            if let Some(place) = now.filter(|_| now != turn)
                && !sender.send("queued", &Queued { place }).await
            {
                return;
            }
            turn = now;
            for (told, at) in news(&deployment, place) {
                place = at;
                if !send(&sender, &told, at).await {
                    return;
                }
            }
            if deployment.status != DeploymentStatus::Building {
                sender.send("end", &shown(&api, deployment)).await;
                return;
            }
            if api.closing.run_until_cancelled(tokio::time::sleep(LOOK_EVERY)).await.is_none() {
                return;
            }
            let next = api.store.deployment(deployment.id).await;
            api.backend.settled().await;
            match next {
                Ok(Some(next)) => deployment = next,
                // Deleted meanwhile, or the database is away: the stream ends, and its reader may come again.
                Ok(None) | Err(_) => return,
            }
        }
    })
}

async fn send(sender: &EventSender, told: &Told, at: Place) -> bool {
    match told {
        Told::Stage(report) => sender.send_as(&at.id(), "stage", report).await,
        Told::Line(line) => sender.send_as(&at.id(), "log", line).await,
    }
}

/// What is new since a place: stages and their lines in the order of their happening, each with the place after it.
fn news(deployment: &Row, mut place: Place) -> Vec<(Told, Place)> {
    let logs = &deployment.build_logs;
    let text = logs.get(place.bytes..).unwrap_or_default();
    let mut lines = text.split_inclusive('\n').peekable();
    let mut news = Vec::new();
    let mut step = 0;
    for report in &deployment.stages {
        let stage = report.name.as_str();
        let has_begun = !matches!(report.status, StageStatus::Pending | StageStatus::Skipped);
        let has_ended = has_begun && report.status != StageStatus::Running;
        let begun = StageReport { name: stage.to_owned(), status: "running".to_owned(), duration_ms: None };
        let mut told = |report: StageReport, place: &mut Place, news: &mut Vec<_>| {
            step += 1;
            if step > place.steps {
                place.steps = step;
                news.push((Told::Stage(report), *place));
            }
        };
        if has_begun {
            told(begun, &mut place, &mut news);
        }
        let start = format!("[{stage}] ");
        while let Some(line) = lines.next_if(|line| line.starts_with(&start)) {
            place.bytes += line.len();
            news.push((Told::Line(LogEvent { stage: stage.to_owned(), text: line.to_owned() }), place));
        }
        if has_ended {
            told(report.clone().into(), &mut place, &mut news);
        }
    }
    // What has no stage before it, such as the mark where logs were cut.
    for line in lines {
        place.bytes += line.len();
        let stage = deployment.stage.as_str().to_owned();
        news.push((Told::Line(LogEvent { stage, text: line.to_owned() }), place));
    }
    news
}

#[cfg(test)]
mod tests {
    use cloudbox_types::{DeploymentId, FunctionId, Stage, StageReport as Report};
    use jiff::Timestamp;

    use super::*;

    fn deployment(statuses: &[StageStatus], logs: &str) -> Row {
        let status = |at: usize| statuses.get(at).copied().unwrap_or(StageStatus::Pending);
        let stages = Stage::ALL.iter().enumerate();
        Row {
            id: DeploymentId(1),
            function_id: FunctionId(1),
            version: 1,
            author: String::new(),
            activates: true,
            status: DeploymentStatus::Building,
            stage: Stage::ALL[statuses.len().saturating_sub(1)],
            stages: stages
                .map(|(at, name)| Report { name: *name, status: status(at), duration_ms: None })
                .collect(),
            build_logs: logs.to_owned(),
            error: None,
            created_at: Timestamp::UNIX_EPOCH,
            finished_at: None,
        }
    }

    fn words(news: &[(Told, Place)]) -> Vec<String> {
        let word = |(told, place): &(Told, Place)| match told {
            Told::Stage(report) => format!("{} {} {}", place.id(), report.name, report.status),
            Told::Line(line) => format!("{} {}", place.id(), line.text.trim_end()),
        };
        news.iter().map(word).collect()
    }

    #[test]
    fn stages_and_lines_come_in_their_order_and_once() {
        use StageStatus::{Failed, Running, Succeeded};
        let first = news(&deployment(&[Running], "[validate] a\n"), Place::default());
        assert_eq!(words(&first), ["0-1 validate running", "13-1 [validate] a"]);
        let logs = "[validate] a\n[validate] b\n[install] c\n";
        let at = Place::of("13-1");
        let second = news(&deployment(&[Succeeded, Failed], logs), at);
        assert_eq!(
            words(&second),
            [
                "26-1 [validate] b",
                "26-2 validate succeeded",
                "26-3 install running",
                "38-3 [install] c",
                "38-4 install failed"
            ]
        );
        assert_eq!(news(&deployment(&[Succeeded, Failed], logs), Place::of("38-4")), []);
        assert_eq!(Place::of("nonsense"), Place::default());
        let odd = news(&deployment(&[Running], "\n[build logs cut]\n"), Place::of("0-1"));
        assert_eq!(words(&odd), ["1-1 ", "18-1 [build logs cut]"]);
    }
}
