//! G: what comes over HTTP. Nothing of it is another driver's business, so one driver is enough.

mod frames;
mod raw;
mod requests;
mod slow;

use cloudbox_tests::service::Plan;
use cloudbox_tests::{Stage, machine};
use serde_json::Value;

/// A stage on the first driver that is tested here, with settings; none where no driver is.
async fn stage(settings: &[(&str, &str)]) -> Option<Stage> {
    let driver = machine::drivers().first().copied()?;
    let plan = settings.iter().fold(Plan::new(driver), |plan, (name, value)| plan.with(name, value));
    Stage::with(plan).await
}

/// Seconds of processor time that the service has used.
fn cpu_seconds(stage: &Stage) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", stage.pid())).unwrap();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    let ticks: u32 = fields[11].parse::<u32>().unwrap() + fields[12].parse::<u32>().unwrap();
    f64::from(ticks) / 100.0
}

/// Descriptors that the service has open.
fn descriptors(stage: &Stage) -> usize {
    std::fs::read_dir(format!("/proc/{}/fd", stage.pid())).unwrap().count()
}

/// The service's own log has one record a line, and none that a caller made.
pub(crate) fn log_has_records(stage: &Stage, format: &str) {
    let log = std::fs::read_to_string(stage.service.home().path().join("log")).unwrap();
    assert!(!log.is_empty());
    for line in log.lines() {
        assert!(!line.contains(char::is_control), "{line:?}");
        if format == "json" {
            let record: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
            assert!(record["timestamp"].is_string() && record["level"].is_string(), "{line}");
        } else {
            let begin = line.split_once(' ').map_or("", |(begin, _)| begin);
            assert!(begin.len() > 20 && begin.ends_with('Z'), "no time begins {line:?}");
        }
    }
}
