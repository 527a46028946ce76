//! `cloudbox logs`: a function's calls with what they printed, oldest first, so that the newest is where the eye is.

use std::collections::HashSet;

use cloudbox_api_types::{Execution, List};
use futures::StreamExt;
use jiff::{SignedDuration, Timestamp};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::{Error, Session, connection, follow};

/// Options of `logs`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The function's name or id
    pub name: String,
    /// How many calls, the newest ones
    #[arg(short = 'n', long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub limit: u32,
    /// Only calls since then: a time such as 2026-01-31T12:00:00Z, or 30s, 10m, 2h, 7d ago
    #[arg(long, value_name = "TIME|AGE")]
    pub since: Option<String>,
    /// Only calls that ended so
    #[arg(long, value_parser = ["success", "error", "timeout"])]
    pub status: Option<String>,
    /// Go on with calls as they end, until Ctrl-C
    #[arg(short = 'f', long = "follow")]
    pub is_followed: bool,
    /// Which service, and as whom.
    #[command(flatten)]
    pub connection: connection::Args,
}

/// Prints the calls.
///
/// # Errors
/// The service refuses, or ends a stream that was followed.
pub async fn run(args: &Args, session: &mut Session<'_>) -> Result<(), Error> {
    let since = args.since.as_deref().map(|text| moment(text, Timestamp::now())).transpose()?;
    // The stream is opened before the list is read, so that no call falls in between.
    let stream = if args.is_followed {
        // Without `since`: what is past comes from the list, at most `limit` calls of it.
        let request = request(args, None, session).query(&[("follow", "true")]);
        let request = request.header("accept", "text/event-stream");
        Some(session.client.send(request).await?)
    } else {
        None
    };
    let request = request(args, since, session).query(&[("limit", args.limit)]);
    let list: List<Value> = session.client.json(request).await?;
    if session.is_json && stream.is_none() {
        return session.terminal.json(&json!({ "items": list.items, "next_cursor": list.next_cursor }));
    }
    let mut shown = HashSet::new();
    for call in list.items.iter().rev() {
        show(call, &mut shown, session)?;
    }
    let Some(stream) = stream else { return Ok(()) };
    let mut events = std::pin::pin!(follow::events(stream.bytes_stream()));
    while let Some(event) = events.next().await {
        if let Ok(call) = serde_json::from_str::<Value>(&event.data) {
            show(&call, &mut shown, session)?;
        }
    }
    Err(Error::Failed("the service ended the stream; follow it again once the service is back".to_owned()))
}

fn request(args: &Args, since: Option<Timestamp>, session: &Session<'_>) -> RequestBuilder {
    let mut request = session.client.functions(Method::GET, &[&args.name, "logs"]);
    if let Some(since) = since {
        request = request.query(&[("since", since.to_string())]);
    }
    if let Some(status) = &args.status {
        request = request.query(&[("status", status)]);
    }
    request
}

/// Prints a call that wasn't printed yet; what is no call (a stream may hold other events) is passed over.
fn show(call: &Value, shown: &mut HashSet<String>, session: &mut Session<'_>) -> Result<(), Error> {
    let Ok(execution) = serde_json::from_value::<Execution>(call.clone()) else { return Ok(()) };
    if !shown.insert(execution.id.clone()) {
        return Ok(());
    }
    let text = if session.is_json { call.to_string() } else { describe(&execution) };
    session.terminal.data(&text)
}

/// One line about the call, what it printed below it, and the error.
fn describe(call: &Execution) -> String {
    let head = format!(
        "{:.3}  {:<7}  {} {} {}  {:.1} ms  version {} {}",
        call.created_at,
        call.status,
        call.http_status,
        call.method,
        call.path,
        call.execution_time,
        call.version,
        call.start
    );
    let error = call.error.as_ref().map(|error| {
        let code = call.code.as_deref().unwrap_or("ERROR");
        format!("{code}: {error}")
    });
    let printed = call.logs.lines().map(str::to_owned).chain(error);
    printed.fold(head, |text, line| format!("{text}\n    {line}"))
}

/// A time, or an age counted back from now.
fn moment(text: &str, now: Timestamp) -> Result<Timestamp, Error> {
    if let Ok(time) = text.parse() {
        return Ok(time);
    }
    let wrong = || {
        Error::Usage(format!(
            "--since {text:?} must be a time such as 2026-01-31T12:00:00Z, or an age such as 30s, 10m, 2h or 7d"
        ))
    };
    let unit_at = text.len().saturating_sub(1);
    let (number, unit) = text.split_at_checked(unit_at).ok_or_else(wrong)?;
    let number: u32 = number.parse().map_err(|_| wrong())?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return Err(wrong()),
    };
    now.checked_sub(SignedDuration::from_secs(i64::from(number) * seconds)).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn since_is_a_time_or_an_age() {
        let now: Timestamp = "2026-01-31T12:00:00Z".parse().unwrap();
        for (text, expected) in [
            ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z"),
            ("2026-01-01T01:00:00+01:00", "2026-01-01T00:00:00Z"),
            ("30s", "2026-01-31T11:59:30Z"),
            ("10m", "2026-01-31T11:50:00Z"),
            ("2h", "2026-01-31T10:00:00Z"),
            ("7d", "2026-01-24T12:00:00Z"),
        ] {
            assert_eq!(moment(text, now).unwrap().to_string(), expected, "{text}");
        }
        for bad in ["", "h", "1", "1w", "-1h", "1ü", "yesterday"] {
            let message = moment(bad, now).unwrap_err().to_string();
            assert!(message.contains("must be a time"), "{message}");
        }
    }
}
