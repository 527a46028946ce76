//! Which system calls reach the kernel: the same in every driver, down to the error.

use std::collections::BTreeMap;

use super::fixture::{Fixture, field, soon};

const EPERM: &str = "1";
const EINVAL: &str = "22";
const ENOSYS: &str = "38";
const EAFNOSUPPORT: &str = "97";
const SIGSYS: &str = "signal 31";

/// Everything that is not refused with EPERM.
const OTHERWISE: [(&str, &str); 28] = [
    ("af_unix", "0"),
    ("af_inet", "0"),
    ("af_inet6", "0"),
    ("af_alg", EAFNOSUPPORT),
    ("af_vsock", EAFNOSUPPORT),
    ("af_rxrpc", EAFNOSUPPORT),
    ("netlink_route", EAFNOSUPPORT),
    ("netlink_xfrm", EAFNOSUPPORT),
    ("af_key", EAFNOSUPPORT),
    ("af_packet", EAFNOSUPPORT),
    ("inet_raw", EAFNOSUPPORT),
    ("inet_ping", EAFNOSUPPORT),
    ("inet_sctp", EAFNOSUPPORT),
    ("af_bluetooth", EAFNOSUPPORT),
    ("socketpair_inet", EAFNOSUPPORT),
    ("clone", "0"),
    ("clone3", ENOSYS),
    ("splice", EINVAL),
    ("tee", EINVAL),
    ("vmsplice", EINVAL),
    ("personality_now", "0"),
    ("unknown", ENOSYS),
    ("thread", "0"),
    ("udp_bind", "0"),
    // Loopback is there, and nobody listens.
    ("tcp_bind", "0"),
    ("tcp_connect", "111"),
    // Landlock's: its error is of the kernel's version.
    ("signal_init", ""),
    ("i386", ""),
];

pub async fn what_is_refused_is_refused_with_its_error(fixture: &Fixture) {
    let found = attempts(fixture).await;
    assert!(found.len() > 100, "{found:?}");
    let expected: BTreeMap<_, _> = OTHERWISE.into_iter().chain([("x32", SIGSYS)]).collect();
    let wrong: Vec<_> = found
        .iter()
        .map(|(name, result)| (name, result, *expected.get(name.as_str()).unwrap_or(&EPERM)))
        .filter(|(_, result, expected)| !expected.is_empty() && result != expected)
        .collect();
    assert_eq!(wrong, [], "name, found, expected");
    // Without the kernel's part for programs of 32 bits it is another signal.
    assert!(found.get("i386").is_none_or(|ended| ended.starts_with("signal")), "{:?}", found["i386"]);
}

pub async fn signals_stay_inside(fixture: &Fixture) {
    let found = attempts(fixture).await;
    // A driver may not know before its first sandbox; before its version 6, Landlock knows no signals. The init is then
    // held by its number 1 alone: what it has no handler for doesn't reach it from inside.
    let landlock = fixture.driver().layers().into_iter().find(|layer| layer.name == "landlock").unwrap();
    let version =
        landlock.detail.strip_prefix("version ").and_then(|rest| rest.split(' ').next()?.parse().ok());
    let is_held = found["signal_init"] == "13" || found["signal_init"] == EPERM;
    assert!(is_held || version.is_none_or(|version: u32| version < 6), "{}", found["signal_init"]);
}

pub async fn the_filter_is_on(fixture: &Fixture) {
    let program = super::fixture::program(&["read", "/proc/self/status"]);
    let mut sandbox = fixture.create(&fixture.spec()).await;
    let exit = sandbox.run(&program, soon()).await.unwrap();
    sandbox.kill().await;
    let status = exit.logs.into_text();
    assert_eq!(field(&status, "Seccomp"), "2", "{status}");
    assert_eq!(field(&status, "NoNewPrivs"), "1", "{status}");
}

/// What the program of that name found, in a sandbox.
async fn attempts(fixture: &Fixture) -> BTreeMap<String, String> {
    let mut sandbox = fixture.create(&fixture.spec()).await;
    let mut program = super::fixture::program(&[]);
    program.argv = vec!["/bin/attempts".to_owned()];
    let exit = sandbox.run(&program, soon()).await.unwrap();
    sandbox.kill().await;
    let code = exit.code;
    let text = exit.logs.into_text();
    assert_eq!(code, Some(0), "{text}");
    text.lines().filter_map(|line| line.split_once(' ')).map(|(a, b)| (a.to_owned(), b.to_owned())).collect()
}
