//! What the code inside can see and do.

use cloudbox_sandbox::CodeDir;

use super::fixture::{Fixture, ask, field, load, shim, soon};

pub async fn it_has_no_rights(fixture: &Fixture) {
    let mut sandbox = fixture.serving(&fixture.spec()).await;
    let status = ask(sandbox.as_mut(), "read /proc/self/status").await;
    let field = |name| field(&status, name);
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert_eq!(field(set), "0000000000000000", "{set}");
    }
    assert_eq!(field("NoNewPrivs"), "1");
    assert_eq!(field("Seccomp"), "2");
    assert!(!field("Uid").split_whitespace().any(|uid| uid == "0"), "{}", field("Uid"));
    assert!(!field("Gid").split_whitespace().any(|gid| gid == "0"), "{}", field("Gid"));
    assert!(!field("Groups").split_whitespace().any(|gid| gid == "0"), "{}", field("Groups"));
    let environment = ask(sandbox.as_mut(), "env").await;
    assert_eq!(environment, "PATH=/bin");
    let descriptors = ask(sandbox.as_mut(), "list /proc/self/fd").await;
    assert_eq!(descriptors, "0 1 2 3", "3 is the listing itself");
    sandbox.kill().await;
}

pub async fn it_sees_nothing_of_the_host(fixture: &Fixture) {
    let mut sandbox = fixture.serving(&fixture.spec()).await;
    let canary = fixture.dir.path().join("canary");
    std::fs::write(&canary, "secret").unwrap();
    let found = ask(sandbox.as_mut(), &format!("read {}", canary.display())).await;
    assert!(found.starts_with("error"), "{found}");
    let processes = ask(sandbox.as_mut(), "list /proc").await;
    let ids: Vec<&str> = processes.split(' ').filter(|name| name.parse::<u32>().is_ok()).collect();
    assert!(ids.len() <= 2, "{ids:?}");
    let found = ask(sandbox.as_mut(), "read /proc/1/environ").await;
    assert!(found.starts_with("error"), "the init can't be read: {found}");
    let mounts = ask(sandbox.as_mut(), "read /proc/self/mounts").await;
    assert!(!mounts.contains("cgroup") || mounts.contains("cgroup ro"), "{mounts}");
    sandbox.kill().await;
}

pub async fn it_reaches_no_network(fixture: &Fixture) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let mut sandbox = fixture.serving(&fixture.spec()).await;
    for address in [address.to_string(), "192.0.2.1:80".to_owned()] {
        let found = ask(sandbox.as_mut(), &format!("connect {address}")).await;
        assert!(found.starts_with("error"), "{address}: {found}");
    }
    // But its own loopback device has its name.
    let names = ask(sandbox.as_mut(), "read /etc/hosts").await;
    assert_eq!(names.trim(), "127.0.0.1 localhost\n::1 localhost");
    sandbox.kill().await;
}

pub async fn its_root_and_code_are_read_only(fixture: &Fixture) {
    let mut sandbox = fixture.serving(&fixture.spec()).await;
    for path in [
        "/new",
        "/bin/new",
        "/etc/new",
        "/etc/passwd",
        "/etc/hosts",
        "/workspace/new",
        "/workspace/main",
        "/dev/new",
    ] {
        let found = ask(sandbox.as_mut(), &format!("write {path} x")).await;
        assert!(found.starts_with("error"), "{path}: {found}");
    }
    assert_eq!(ask(sandbox.as_mut(), "write /tmp/new x").await, "written");
    assert_eq!(ask(sandbox.as_mut(), "write /dev/null x").await, "written");
    sandbox.kill().await;
    assert_eq!(std::fs::read_to_string(fixture.dir.path().join("code/main")).unwrap(), "the code");
}

pub async fn code_runs_only_where_it_may(fixture: &Fixture) {
    let code = fixture.dir.path().join("binary");
    std::fs::create_dir(&code).unwrap();
    std::fs::copy(fixture.dir.path().join("rootfs/bin/probe"), code.join("program")).unwrap();
    for is_executable in [false, true] {
        let mut sandbox = fixture.create(&fixture.spec()).await;
        sandbox.start(&shim(), soon()).await.unwrap();
        let code = CodeDir { path: code.clone(), is_executable };
        sandbox.bind(&fixture.spec().limits, &code).await.unwrap();
        sandbox.load(load(), soon()).await.unwrap().answer.unwrap();
        let found = ask(sandbox.as_mut(), "run /workspace/program").await;
        assert_eq!(found.starts_with("exit status: 0"), is_executable, "{found}");
        sandbox.kill().await;
    }
}
