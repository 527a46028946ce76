//! The init as the native driver starts it, with a service at the other end that dies or says what it should not: it ends by
//! itself, says why where somebody listens, and leaves nothing.

#![expect(clippy::unwrap_used, reason = "a test may panic where it can't go on")]
#![expect(clippy::print_stderr, reason = "what can't run here says so")]
#![expect(clippy::disallowed_methods, reason = "the init is a process, and there is no runtime to block")]

#[expect(dead_code, reason = "no root file system is needed here")]
#[path = "support/init.rs"]
mod support;

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use cloudbox_protocol::control::{Confinement, FromInit, MAX_MESSAGE, Setup, ToInit};

/// Far more than an end takes.
const END: Duration = Duration::from_secs(120);

/// The init, and the service's end of its control socket.
fn init() -> (Child, UnixStream) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    ours.set_read_timeout(Some(END)).unwrap();
    let mut command = Command::new(support::init());
    command.arg("native").stdin(OwnedFd::from(theirs)).stdout(Stdio::null()).stderr(Stdio::null());
    (command.spawn().unwrap(), ours)
}

fn framed(json: &[u8]) -> Vec<u8> {
    [&u32::try_from(json.len()).unwrap().to_be_bytes()[..], json].concat()
}

fn message(message: &impl serde::Serialize) -> Vec<u8> {
    framed(&serde_json::to_vec(message).unwrap())
}

/// The init's next message; none where it has closed the connection.
fn told(peer: &mut UnixStream) -> Option<FromInit> {
    let mut prefix = [0; 4];
    peer.read_exact(&mut prefix).ok()?;
    let mut json = vec![0; u32::from_be_bytes(prefix) as usize];
    peer.read_exact(&mut json).ok()?;
    Some(serde_json::from_slice(&json).unwrap())
}

/// Waits for its end, which is a failure's.
#[track_caller]
fn has_ended(mut child: Child) {
    for _ in 0..END.as_millis() / 10 {
        if let Some(status) = child.try_wait().unwrap() {
            assert!(!status.success() && status.code().is_some(), "{status}");
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    child.kill().unwrap();
    panic!("it goes on without a service");
}

/// Whether the sandbox could be made here up to this step; else the test is over.
#[track_caller]
fn is_ready(peer: &mut UnixStream) -> bool {
    match told(peer) {
        Some(FromInit::Ready { .. }) => true,
        Some(FromInit::Failed { step, error }) => {
            eprintln!("skipped: no sandbox can be made here: {step}: {error}");
            false
        }
        other => panic!("{other:?}"),
    }
}

fn setup(folder: &Path) -> Setup {
    let place = |name: &str| {
        std::fs::create_dir_all(folder.join(name)).unwrap();
        folder.join(name).display().to_string()
    };
    Setup {
        rootfs: place("rootfs"),
        new_root: place("root"),
        workspace: place("slot"),
        is_workspace_writable: false,
        mounts: Vec::new(),
        has_host_network: false,
        tmp_bytes: 1 << 20,
        max_file_bytes: 1 << 20,
        processes: 10,
        host_uid: nix::unistd::geteuid().is_root().then_some(299_999),
    }
}

/// No process has the folder as a part of its root or its mounts.
#[track_caller]
fn nothing_is_left(folder: &Path) {
    let name = folder.file_name().unwrap().to_str().unwrap();
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(!mounts.contains(name), "{mounts}");
}

#[test]
fn a_service_that_is_gone_or_talks_nonsense_before_the_set_up_is_left() {
    let over = u32::try_from(MAX_MESSAGE).unwrap() + 1;
    let junk: [&[u8]; 6] = [
        b"",
        b"\0\0",
        &framed(b"{}"),
        &framed(b"no JSON")[..7],
        &over.to_be_bytes(),
        &message(&ToInit::Processes),
    ];
    for bytes in junk {
        let (child, mut peer) = init();
        peer.write_all(bytes).unwrap();
        peer.shutdown(std::net::Shutdown::Write).unwrap();
        let said = told(&mut peer);
        assert!(matches!(&said, Some(FromInit::Failed { step, .. }) if step == "setup"), "{said:?}");
        has_ended(child);
    }
}

#[test]
fn a_set_up_that_cannot_be_is_told_with_its_step() {
    let folder = tempfile::tempdir().unwrap();
    let wrong = Setup { rootfs: "/nowhere".to_owned(), ..setup(folder.path()) };
    let (child, mut peer) = init();
    peer.write_all(&message(&wrong)).unwrap();
    let said = told(&mut peer);
    assert!(matches!(&said, Some(FromInit::Failed { .. })), "{said:?}");
    assert_eq!(told(&mut peer), None);
    has_ended(child);
    nothing_is_left(folder.path());
}

#[test]
fn a_sandbox_whose_service_is_gone_ends() {
    let folder = tempfile::tempdir().unwrap();
    let (mut child, mut peer) = init();
    peer.write_all(&message(&setup(folder.path()))).unwrap();
    if is_ready(&mut peer) {
        drop(peer);
        // That is how every sandbox ends: no failure.
        assert!(child.wait().unwrap().success());
    } else {
        has_ended(child);
    }
    nothing_is_left(folder.path());
}

/// An order to start a program; without a filter none is.
fn start(program: &str, confinement: Option<Confinement>) -> Vec<u8> {
    let (argv, env, cwd) = (vec![program.to_owned()], BTreeMap::new(), "/".to_owned());
    message(&ToInit::Start { argv, env, cwd, is_plain: true, confinement })
}

#[test]
fn a_sandbox_whose_service_talks_nonsense_ends_and_says_so() {
    // Return, and allow.
    let allowing = Confinement { filter: vec![6 << 48 | 0x7fff_0000], ..Confinement::default() };
    for (bytes, where_it_failed) in [
        (framed(b"{\"type\":\"ready\"}"), "control"),
        (u32::MAX.to_be_bytes().to_vec(), "control"),
        (start("/a\0b", Some(allowing.clone())), "start"),
        (start("/nowhere", Some(allowing)), "exec"),
        (start("/nowhere", Some(Confinement::default())), "seccomp"),
        (message(&ToInit::Arm { confinement: Confinement::default() }), "seccomp"),
        // Nothing waits for it.
        (start("/nowhere", None), "start"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let (child, mut peer) = init();
        peer.write_all(&message(&setup(folder.path()))).unwrap();
        if is_ready(&mut peer) {
            peer.write_all(&bytes).unwrap();
            let said = told(&mut peer);
            assert!(
                matches!(&said, Some(FromInit::Failed { step, .. }) if step == where_it_failed),
                "{said:?}"
            );
        }
        has_ended(child);
        nothing_is_left(folder.path());
    }
}
