//! Prometheus: the recorder of this process, its buckets and what each series is.

use std::sync::OnceLock;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

/// Seconds: OpenTelemetry's advice for HTTP, with 1 ms below and minutes above.
const SECONDS: [f64; 17] =
    [0.001, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 30.0, 60.0];

/// Starts recording, once in a process; later calls get the same recorder.
pub fn install() -> PrometheusHandle {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    HANDLE.get_or_init(start).clone()
}

fn start() -> PrometheusHandle {
    let builder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)
        .expect("the buckets are not empty");
    // Another recorder of the process wins; then this one prints what it gets, which is nothing.
    let handle = match builder.install_recorder() {
        Ok(handle) => handle,
        Err(_) => PrometheusBuilder::new().build_recorder().handle(),
    };
    describe();
    metrics::gauge!("cloudbox_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    handle
}

fn describe() {
    use metrics::{describe_counter, describe_gauge, describe_histogram};
    describe_gauge!("cloudbox_build_info", "This release");
    describe_counter!("cloudbox_http_requests_total", "Requests by method, route and status");
    describe_histogram!("cloudbox_http_request_duration_seconds", "Until the answer's head, by route");
    describe_gauge!("cloudbox_http_requests_in_flight", "Requests without an answer yet");
    describe_gauge!("cloudbox_http_connections", "Open connections");
    describe_counter!("cloudbox_invocations_total", "Calls of functions, by how they ended");
    describe_histogram!(
        "cloudbox_invocation_duration_seconds",
        "Calls in the sandbox, by warm and cold start"
    );
    describe_counter!("cloudbox_cold_starts_total", "Calls that found no warm sandbox");
    describe_counter!("cloudbox_records_lost_total", "Records that the spool did not take");
    process().describe();
}

fn process() -> metrics_process::Collector {
    metrics_process::Collector::default()
}

/// Brings the process's own series up to date, before they are printed.
pub fn refresh() {
    process().collect();
}
