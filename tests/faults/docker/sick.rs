//! I3: while the daemon is sick, what is warm is served, what is not is refused at once, and all is well soon after it is.

use std::time::Duration;

use cloudbox_tests::service::Plan;
use cloudbox_tests::{Answer, Api, Driver, Home, Service};
use cloudbox_types::ErrorCode;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::proxy::{Mode, Proxy};
use crate::load::{SLOW, answers};

/// How long anything may take, on a slow machine too: never the measure, but its end.
const PATIENCE: Duration = Duration::from_secs(300);
/// Sandboxes that are ready for a function at most before it is called, as the settings are by themselves: spares, and those that have
/// its code.
const MAX_READY: usize = 4 + 4;

/// Waits until readiness has this status.
pub async fn is_ready(api: &Api, status: u16) -> Answer {
    let began = Instant::now();
    loop {
        let answer = api.anonymous().get("/health/ready").await;
        if answer.status == status {
            return answer;
        }
        assert!(began.elapsed() < PATIENCE, "{}", answer.text());
        sleep(Duration::from_millis(50)).await;
    }
}

/// A call of a function that has a fresh sandbox for each call.
pub async fn fresh(api: &Api, n: usize) -> Answer {
    api.execute("fresh", &json!({ "data": { "n": n, "ms": 0 } })).await
}

/// Waits until sandboxes are made again, more of them than there can be ready; how long that took.
pub async fn recovers(api: &Api) -> Duration {
    let began = Instant::now();
    let mut in_a_row = 0;
    while in_a_row <= MAX_READY {
        let answer = fresh(api, 7).await;
        if answer.status == 200 {
            assert_eq!(answer.json::<Value>()["response"], 7);
            in_a_row += 1;
            continue;
        }
        in_a_row = 0;
        assert_eq!(answer.status, 503, "{}", answer.text());
        assert!(began.elapsed() < PATIENCE, "{}", answer.text());
        sleep(Duration::from_millis(100)).await;
    }
    began.elapsed()
}

/// A function that stays warm and one that never is.
pub async fn launch(service: &Service) -> Api {
    let api = service.api();
    api.launch("warm", "javascript", SLOW).await;
    api.launch("fresh", "javascript", SLOW).await;
    let _ = api.patch("fresh", &json!({ "isolation": "invocation" })).await.with(200);
    answers(&api, "warm", 1).await;
    let _ = fresh(&api, 1).await.with(200);
    api
}

/// Seconds of CPU time that the service has used.
fn cpu_seconds(service: &Service) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", service.pid())).unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    // User and system time, in hundredths of a second.
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
}

/// Spares serve first; then there is no sandbox, and that is said at once.
async fn refuses_what_is_cold(api: &Api) {
    for n in 0..2 * MAX_READY {
        let answer = fresh(api, n).await;
        if answer.status == 200 {
            continue;
        }
        assert!(!answer.header("retry-after").is_empty());
        let _ = answer.error(ErrorCode::Overloaded);
        return;
    }
    panic!("sandboxes are made without a daemon");
}

#[tokio::test(flavor = "multi_thread")]
async fn i3_a_daemon_that_is_gone_hangs_or_fails() {
    if !Driver::Docker.is_tested() {
        return;
    }
    let home = Home::new();
    let mut proxy = Proxy::open(home.path());
    let plan = Plan::new(Driver::Docker).at(&home).with("DOCKER_HOST", &proxy.url());
    let service = plan.start().await;
    let api = launch(&service).await;
    for mode in [Mode::Gone, Mode::Fails, Mode::Hangs] {
        let in_flight = tokio::spawn({
            let api = api.clone();
            async move { api.execute("warm", &json!({ "data": { "n": "long", "ms": 2000 } })).await }
        });
        sleep(Duration::from_millis(300)).await;
        let began = Instant::now();
        proxy.set(mode);
        let reasons = is_ready(&api, 503).await.text();
        assert!(reasons.contains("Docker"), "{reasons}");
        let seen = began.elapsed();

        assert_eq!(in_flight.await.unwrap().with(200).json::<Value>()["response"], "long", "{mode:?}");
        refuses_what_is_cold(&api).await;
        for n in 0..5 {
            answers(&api, "warm", n).await;
        }
        let health: Value = api.get("/health").await.with(200).json();
        assert_eq!(health["sandbox"]["driver"], "docker");
        assert!(health["warnings"].to_string().contains("Docker daemon"), "{health}");
        let before = cpu_seconds(&service);
        sleep(Duration::from_secs(2)).await;
        let used = cpu_seconds(&service) - before;
        assert!(used < 1.0, "{mode:?}: {used} s of CPU time in 2 s of waiting");

        proxy.set(Mode::Well);
        let back = recovers(&api).await;
        let _ = is_ready(&api, 200).await;
        eprintln!("{mode:?}: seen after {seen:?}, {used:.2} s of CPU in 2 s, back after {back:?}");
        answers(&api, "warm", 9).await;
    }
    assert!(!home.log_text().contains("panicked"), "{}", home.log_text());
    service.stop().await;
}

/// The service ends while the daemon hangs: soon, and the next one removes what is left.
#[tokio::test(flavor = "multi_thread")]
async fn i3_an_end_while_the_daemon_hangs() {
    if !Driver::Docker.is_tested() {
        return;
    }
    let home = Home::new();
    let mut proxy = Proxy::open(home.path());
    let plan = Plan::new(Driver::Docker).at(&home).with("DOCKER_HOST", &proxy.url());
    let service = plan.clone().start().await;
    let _ = launch(&service).await;
    proxy.set(Mode::Hangs);
    let began = Instant::now();
    service.signal(nix::sys::signal::Signal::SIGTERM);
    assert!(service.ended().await.success());
    eprintln!("ended {:?} after SIGTERM", began.elapsed());
    assert_eq!(crate::sandboxes::processes(&home).len(), 0, "no function outlives it");
    proxy.set(Mode::Well);
    let service = plan.start().await;
    let _ = fresh(&service.api(), 1).await.with(200);
    // Asserts that nothing of either life is left.
    service.stop().await;
}
