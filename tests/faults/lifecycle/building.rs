//! `kill -9` of the service in the middle of a build.

use std::time::Duration;

use cloudbox_tests::service::Plan;
use cloudbox_tests::silent::SilentRegistry;
use cloudbox_tests::{Driver, Home, both_drivers};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::sandboxes;

both_drivers! { a_build_that_the_services_end_broke_off_is_failed }

async fn a_build_that_the_services_end_broke_off_is_failed(driver: Driver) {
    let registry = SilentRegistry::start().await;
    let home = Home::new();
    let plan = Plan::new(driver).at(&home).with("PIP_INDEX_URL", &registry.url);
    let service = plan.start().await;
    let api = service.api();
    let code = "def handler(data, context):\n    return 'built'\n";
    let function =
        json!({ "name": "half", "language": "python", "code": code, "dependencies": { "six": "1.16.0" } });
    let _ = api.create(&function).await.with(201);
    let begun: Value = api.post(&api.functions("/half/deploy"), &json!({})).await.with(202).json();
    let path = api.functions(&format!("/half/deployments/{}", begun["deployment_id"]));
    // Noted before it has ended: what was printed until a crash is not lost with it.
    while !api.get(&path).await.with(200).json::<Value>()["build_logs"]
        .as_str()
        .unwrap()
        .contains("[install] Looking in")
    {
        sleep(Duration::from_millis(50)).await;
    }
    let before = sandboxes::ids(&home);
    assert!(!before.is_empty());
    service.signal(Signal::SIGKILL);
    let _ = service.ended().await;

    let service = Plan::new(driver).at(&home).start().await;
    sandboxes::are_gone(&home, &before).await;
    let api = service.api();
    let ended: Value = api.get(&path).await.with(200).json();
    assert_eq!((&ended["status"], &ended["stage"]), (&json!("failed"), &json!("install")), "{ended}");
    assert!(ended["error"].as_str().unwrap().contains("the service ended while"), "{ended}");
    assert!(ended["build_logs"].as_str().unwrap().contains("Looking in"), "{ended}");
    let builds = std::fs::read_dir(home.data().join("builds")).unwrap().count();
    assert_eq!(builds, 0, "its folder is gone");
    let _ = api.patch("half", &json!({ "dependencies": {} })).await.with(200);
    let _ = api.deploy("half").await.with(200);
    service.stop().await;
}
