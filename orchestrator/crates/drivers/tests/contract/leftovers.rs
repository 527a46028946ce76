//! A life that ended by `kill -9`, and the next one.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use cloudbox_sandbox::Instance;

use super::fixture::{Fixture, Opened, Subject, ask, leftovers};

/// How the process that is killed is told its folder; the instance's id is in there, too.
const FOLDER: &str = "CLOUDBOX_TEST_EARLIER_LIFE";

/// The instance that lives twice.
fn instance(folder: &Path) -> Instance {
    let id = format!("twice-{}", folder.file_name().unwrap().to_string_lossy().trim_start_matches('.'));
    Instance { id, boot: "1".to_owned(), run_dir: folder.join("twice") }
}

pub async fn a_sweep_removes_what_an_earlier_life_left(fixture: &Fixture) {
    let (folder, instance) = (fixture.dir.path(), instance(fixture.dir.path()));
    let mut earlier = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--ignored", &format!("{}::earlier_life", fixture.driver().name())])
        .env(FOLDER, folder)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    for _ in 0..1200 {
        if folder.join("up").exists() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    earlier.kill().unwrap();
    earlier.wait().unwrap();
    assert!(folder.join("up").exists(), "the earlier life came up");
    assert!(!leftovers(fixture.subject, &instance, false).await.is_empty());
    let next = Opened::open(fixture.subject, &instance).await.unwrap();
    let report = next.driver().sweep().await.unwrap();
    assert_eq!((report.removed, report.failed), (3, 0));
    assert_eq!(leftovers(fixture.subject, &instance, false).await, Vec::<String>::new());
    assert_eq!(next.driver().sweep().await.unwrap().removed, 0);
    next.close().await;
    assert_eq!(leftovers(fixture.subject, &instance, true).await, Vec::<String>::new());
}

/// Makes sandboxes (with code, without, frozen), says so, and waits to be killed.
pub async fn earlier_life(subject: Subject) {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let folder = Path::new(&folder);
    let fixture = Fixture::existing(subject, folder, instance(folder)).await;
    let mut frozen = fixture.serving(&fixture.spec()).await;
    frozen.freeze(true).unwrap();
    let _others = (fixture.serving(&fixture.spec()).await, fixture.create(&fixture.spec()).await);
    std::fs::write(folder.join("up"), "").unwrap();
    std::future::pending::<()>().await;
}

pub async fn a_sweep_spares_the_living(fixture: &Fixture) {
    let mut sandbox = fixture.serving(&fixture.spec()).await;
    assert_eq!(fixture.driver().sweep().await.unwrap().removed, 0);
    assert_eq!(ask(sandbox.as_mut(), "read /workspace/main").await, "the code");
    sandbox.kill().await;
}
