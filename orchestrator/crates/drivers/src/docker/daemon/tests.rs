//! What a daemon says of itself, and what becomes of it.

use super::*;
use crate::self_test::refuse_weak;

fn good() -> SystemInfo {
    SystemInfo {
        memory_limit: Some(true),
        swap_limit: Some(true),
        cpu_cfs_quota: Some(true),
        pids_limit: Some(true),
        security_options: Some(vec!["name=seccomp,profile=default".to_owned()]),
        server_version: Some("29.5.0".to_owned()),
        ..SystemInfo::default()
    }
}

fn layer<'a>(layers: &'a [Layer], name: &str) -> &'a Layer {
    layers.iter().find(|layer| layer.name == name).expect("a layer of that name")
}

#[test]
fn versions_as_distributions_write_them() {
    assert_eq!(parse_version("1.1.5+ds1"), Some((1, 1, 5)));
    assert_eq!(parse_version("20.10.24+dfsg1"), Some((20, 10, 24)));
    assert_eq!(parse_version("v1.3.3-0-gd842d77"), Some((1, 3, 3)));
    assert_eq!(parse_version("1.4"), Some((1, 4, 0)));
    assert_eq!(parse_version("unknown"), None);
}

#[test]
fn each_line_of_runc_has_its_own_first_safe_release() {
    for (version, is_safe) in
        [((1, 1, 5), false), ((1, 2, 7), false), ((1, 2, 8), true), ((1, 3, 2), false), ((1, 3, 3), true)]
    {
        assert_eq!(is_safe_runc(version), is_safe, "{version:?}");
    }
    assert!(is_safe_runc((1, 4, 0)) && is_safe_runc((1, 5, 0)) && is_safe_runc((2, 0, 0)));
}

#[test]
fn a_daemon_without_a_limit_or_a_filter_is_refused() {
    let refused = |info: &SystemInfo| refuse_weak("docker", &layers(info, None), false);
    refused(&good()).expect("a good daemon");
    let unconfined = vec!["name=seccomp,profile=unconfined".to_owned()];
    for (name, info) in [
        ("daemon_memory", SystemInfo { memory_limit: Some(false), ..good() }),
        ("cgroup_cpu", SystemInfo { cpu_cfs_quota: Some(false), ..good() }),
        ("daemon_pids", SystemInfo { pids_limit: Some(false), ..good() }),
        ("daemon_seccomp", SystemInfo { security_options: Some(vec![]), ..good() }),
        ("daemon_seccomp", SystemInfo { security_options: Some(unconfined), ..good() }),
    ] {
        let error = refused(&info).expect_err(name);
        assert!(error.to_string().contains(name), "{error}");
    }
}

#[test]
fn old_parts_are_named_with_their_remedy() {
    let layers =
        layers(&SystemInfo { server_version: Some("20.10.24".to_owned()), ..good() }, Some("1.1.5+ds1"));
    let runc = layer(&layers, "runc");
    assert!(!runc.is_active() && !runc.is_mandatory, "runc 1.1.5 is not safe, and listed");
    assert!(runc.detail.contains("1.1.5") && runc.detail.contains("1.2.8"), "{}", runc.detail);
    assert!(!layer(&layers, "engine").is_active());
    assert!(layer(&layers, "daemon_memory").is_active());
}

#[tokio::test]
async fn an_address_that_is_no_local_socket_is_refused_with_a_remedy() {
    for address in ["tcp://127.0.0.1:2375", "docker.example:2376", "unix:///nowhere/docker.sock"] {
        let error = Daemon::connect(Some(address)).await.expect_err(address);
        assert!(matches!(error, Error::Unavailable { driver: "docker", .. }), "{error}");
        assert!(error.to_string().contains("socket"), "{error}");
    }
}
