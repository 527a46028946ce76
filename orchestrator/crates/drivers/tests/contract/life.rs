//! From the first to the last moment of a sandbox.

use std::os::unix::fs::MetadataExt;

use cloudbox_sandbox::{CodeDir, Error, Program, SandboxFaultKind, Workspace};
use tokio::time::{Instant, timeout};

use super::fixture::{Fixture, ask, call, leftovers, load, program, shim, soon, text};

pub async fn a_call_brings_its_answer_and_its_logs(fixture: &Fixture) {
    let mut sandbox = fixture.serving(&fixture.spec()).await;
    assert_eq!(ask(sandbox.as_mut(), "echo one two").await, "one two");
    let reply = call(sandbox.as_mut(), "print hello", soon()).await.unwrap();
    assert_eq!(reply.logs.clone().into_text(), "hello\n");
    assert_eq!(text(reply), "printed");
    assert!(sandbox.is_clean());
    sandbox.kill().await;
    assert_eq!(leftovers(fixture.subject, &fixture.instance, false).await, Vec::<String>::new());
}

pub async fn a_spare_gets_its_code_while_it_runs(fixture: &Fixture) {
    let mut sandbox = fixture.create(&fixture.spec()).await;
    sandbox.start(&shim(), soon()).await.unwrap();
    assert_eq!(std::fs::read_dir(fixture.dir.path().join("code")).unwrap().count(), 1);
    sandbox.bind(&fixture.spec().limits, &fixture.code()).await.unwrap();
    sandbox.load(load(), soon()).await.unwrap().answer.unwrap();
    assert_eq!(ask(sandbox.as_mut(), "read /workspace/main").await, "the code");
    let again = sandbox.bind(&fixture.spec().limits, &fixture.code()).await;
    assert!(again.is_err(), "code is bound once");
    sandbox.kill().await;
}

pub async fn a_program_that_comes_with_the_code_finds_a_confined_process(fixture: &Fixture) {
    let folder = fixture.dir.path().join("compiled");
    std::fs::create_dir(&folder).unwrap();
    std::fs::copy(fixture.dir.path().join("rootfs/bin/probe"), folder.join("program")).unwrap();
    let code = CodeDir { path: folder, is_executable: true };
    let compiled = Program { argv: vec!["/workspace/program".to_owned()], ..shim() };
    let mut sandbox = fixture.create(&fixture.spec()).await;
    sandbox.arm(soon()).await.unwrap();
    let [waiting] = &fixture.started()[..] else { panic!("one process waits") };
    for (name, value) in [("Seccomp", "2"), ("NoNewPrivs", "1"), ("CapEff", "0000000000000000")] {
        assert_eq!(waiting.field(name), value, "{name}");
    }
    sandbox.bind(&fixture.spec().limits, &code).await.unwrap();
    sandbox.start(&compiled, soon()).await.unwrap();
    sandbox.load(load(), soon()).await.unwrap().answer.unwrap();
    assert_eq!(fixture.started()[0].pid, waiting.pid, "it has become the program");
    assert_eq!(ask(sandbox.as_mut(), "env").await, "PATH=/bin");
    assert_eq!(ask(sandbox.as_mut(), "list /proc/self/fd").await, "0 1 2 3", "3 is the listing itself");
    // Nothing waits in its next life.
    sandbox.restart(soon()).await.unwrap();
    sandbox.start(&compiled, soon()).await.unwrap();
    sandbox.load(load(), soon()).await.unwrap().answer.unwrap();
    assert_eq!(ask(sandbox.as_mut(), "echo again").await, "again");
    sandbox.kill().await;
}

pub async fn a_process_that_ended_before_it_had_a_program_is_told(fixture: &Fixture) {
    let mut sandbox = fixture.create(&fixture.spec()).await;
    sandbox.arm(soon()).await.unwrap();
    fixture.started()[0].kill().await;
    let fault = sandbox.start(&shim(), soon()).await.unwrap_err();
    assert!(matches!(fault.kind, SandboxFaultKind::Host(Error::Setup { .. })), "{:?}", fault.kind);
    sandbox.kill().await;
}

pub async fn a_program_runs_to_its_end(fixture: &Fixture) {
    let mut sandbox = fixture.create(&fixture.spec()).await;
    let exit = sandbox.run(&program(&["echo", "out"]), soon()).await.unwrap();
    assert_eq!((exit.code, exit.logs.into_text().as_str()), (Some(0), "out\n"));
    sandbox.kill().await;
    let mut sandbox = fixture.create(&fixture.spec()).await;
    let exit = sandbox.run(&program(&["exit", "7"]), soon()).await.unwrap();
    assert_eq!((exit.code, exit.signal, exit.is_out_of_memory), (Some(7), None, false));
    sandbox.kill().await;
}

pub async fn a_load_that_fails_is_the_codes_own(fixture: &Fixture) {
    let mut sandbox = fixture.create(&fixture.spec()).await;
    sandbox.start(&shim(), soon()).await.unwrap();
    let mut broken = load();
    broken.env.insert("BROKEN".to_owned(), String::new());
    let failure = sandbox.load(broken, soon()).await.unwrap().answer.unwrap_err();
    assert_eq!(failure.message, "no such entry");
    sandbox.kill().await;
}

pub async fn killed_twice_is_killed_once(fixture: &Fixture) {
    let mut sandbox = fixture.serving(&fixture.spec()).await;
    sandbox.kill().await;
    sandbox.kill().await;
    assert!(!sandbox.is_clean());
    assert!(call(sandbox.as_mut(), "echo", soon()).await.is_err());
}

pub async fn a_dropped_sandbox_is_removed(fixture: &Fixture) {
    let sandbox = fixture.serving(&fixture.spec()).await;
    // The fixture's close waits for the kill, and finds what is left.
    drop(sandbox);
}

pub async fn what_is_given_up_half_way_is_removed(fixture: &Fixture) {
    fixture.driver().prepare(&fixture.rootfs()).await.unwrap();
    let began = Instant::now();
    let mut sandbox = fixture.create(&fixture.spec()).await;
    let whole = began.elapsed();
    sandbox.kill().await;
    // Also in the moment when it comes up.
    for tenth in 0..=12 {
        let spec = fixture.spec();
        drop(timeout(whole * tenth / 10, fixture.driver().create(&spec)).await);
    }
    // The fixture's close waits for what is on its way, and finds what is left.
}

pub async fn many_at_once(fixture: &Fixture) {
    let spec = fixture.spec();
    let sandboxes = futures::future::join_all((0..20).map(|_| fixture.serving(&spec))).await;
    let calls = sandboxes.into_iter().enumerate().map(|(number, mut sandbox)| async move {
        assert_eq!(ask(sandbox.as_mut(), &format!("echo {number}")).await, number.to_string());
        sandbox.kill().await;
    });
    futures::future::join_all(calls).await;
    assert_eq!(leftovers(fixture.subject, &fixture.instance, false).await, Vec::<String>::new());
}

pub async fn a_build_writes_to_its_workspace_and_nowhere_else(fixture: &Fixture) {
    let folder = fixture.dir.path().join("build");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("given"), "g").unwrap();
    let mut spec = fixture.spec();
    spec.workspace = Workspace::Writable(folder.clone());
    let mut sandbox = fixture.create(&spec).await;
    let exit = sandbox.run(&program(&["write", "made", "by the build"]), soon()).await.unwrap();
    assert_eq!(exit.logs.into_text(), "written\n");
    sandbox.kill().await;
    assert_eq!(std::fs::read_to_string(folder.join("made")).unwrap(), "by the build");
    let own = std::fs::metadata(fixture.dir.path()).unwrap().uid();
    for name in ["made", "given"] {
        assert_eq!(std::fs::metadata(folder.join(name)).unwrap().uid(), own, "{name}");
    }
}

pub async fn files_of_the_host_can_be_shown_anywhere(fixture: &Fixture) {
    let mut spec = fixture.spec();
    let (file, folder) = (fixture.dir.path().join("shown"), fixture.dir.path().join("shown.d"));
    std::fs::write(&file, "seen").unwrap();
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("file"), "in a folder").unwrap();
    spec.mounts = vec![(file, "/etc/deep/er/file".into()), (folder, "/opt/folder".into())];
    let mut sandbox = fixture.serving(&spec).await;
    assert_eq!(ask(sandbox.as_mut(), "read /etc/deep/er/file").await, "seen");
    assert_eq!(ask(sandbox.as_mut(), "read /opt/folder/file").await, "in a folder");
    assert!(ask(sandbox.as_mut(), "read /etc/passwd").await.starts_with("sandbox:"), "what was there stays");
    assert!(ask(sandbox.as_mut(), "write /opt/folder/new x").await.starts_with("error"));
    sandbox.kill().await;
    assert!(!fixture.dir.path().join("rootfs/etc/deep").exists(), "the root file system is not written");
}

pub async fn a_program_that_is_not_there_is_told(fixture: &Fixture) {
    let mut sandbox = fixture.create(&fixture.spec()).await;
    let mut missing = shim();
    missing.argv[0] = "/bin/none".to_owned();
    let fault = sandbox.start(&missing, soon()).await.unwrap_err();
    assert!(matches!(fault.kind, SandboxFaultKind::Host(Error::Setup { .. })), "{:?}", fault.kind);
    sandbox.kill().await;
}
