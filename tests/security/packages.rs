//! F1: packages that are attacks, over HTTP. What each of 166 archives becomes is told by the crate `archive`'s tests.

use cloudbox_tests::pack::{odd_tgz, tgz};
use cloudbox_tests::{Answer, Stage, on_both_drivers};
use cloudbox_types::ErrorCode;
use reqwest::Method;
use serde_json::json;

on_both_drivers! { f1_hostile_packages_are_refused_and_leave_nothing }

async fn f1_hostile_packages_are_refused_and_leave_nothing(stage: &Stage) {
    let api = &stage.api;
    let _ = api.create(&json!({ "name": "victim", "language": "javascript" })).await.with(201);
    let home = stage.service.home();
    let canaries =
        [home.path().join("canary"), home.data().join("canary"), home.data().join("packages-canary")];
    for canary in &canaries {
        std::fs::write(canary, "canary").unwrap();
    }
    let outside = canaries[0].to_str().unwrap();
    let zeros = "\0".repeat(8 << 20);
    let mut cut = tgz(&[("index.js", "exports.handler = () => 1;")]);
    cut.truncate(cut.len() - 6);
    for (package, why) in [
        (odd_tgz("l", b'2', ".."), "symbolic link"),
        (odd_tgz("l", b'1', outside), "hard link"),
        (odd_tgz("d", b'3', ""), "a device"),
        (odd_tgz("p", b'6', ""), "a FIFO"),
        (odd_tgz("../../canary", b'0', ""), "leads out"),
        (odd_tgz(outside, b'0', ""), "absolute"),
        (odd_tgz("a\x1b[2J", b'0', ""), "control"),
        (odd_tgz("e\u{301}.js", b'0', ""), "NFC"),
        (tgz(&[("a.js", "1"), ("A.js", "2")]), "upper and lower case"),
        (tgz(&[("index.js", &zeros)]), "100 times"),
        (cut, "ends too early"),
    ] {
        let request = api.request(Method::PUT, &api.functions("/victim/package"));
        let request = request.header("content-type", "application/gzip").body(package);
        let refused = Answer::of(request).await.error(ErrorCode::ValidationError);
        assert!(refused["error"].as_str().unwrap().contains(why), "{why}: {refused}");
    }
    for canary in canaries {
        assert_eq!(std::fs::read(&canary).unwrap(), b"canary");
        std::fs::remove_file(canary).unwrap();
    }
    for folder in ["packages", "builds"] {
        let left: Vec<_> = std::fs::read_dir(home.data().join(folder)).unwrap().collect();
        assert!(left.is_empty(), "{folder}: {left:?}");
    }
}
