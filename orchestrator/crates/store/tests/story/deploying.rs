//! Deployments: numbers, outcomes, crashes.

use std::sync::Arc;
use std::time::Duration;

use cloudbox_store::{Begin, Error, Store};
use cloudbox_types::version::{DeploymentStatus, StageStatus};
use cloudbox_types::{DeploymentId, FunctionId, FunctionStatus, PageRequest, Stage};
use futures::future::join_all;

use super::setup::{function, stages, version};

pub async fn a_deployment_that_succeeds(store: &dyn Store) {
    let made = function(store, "deployed").await;
    let begun = store.begin_deployment(made.id).await.unwrap();
    assert_eq!((begun.version, begun.status, begun.stage), (1, DeploymentStatus::Building, Stage::Validate));
    assert!(begun.stages.iter().all(|stage| stage.status == StageStatus::Pending));
    assert_eq!(store.function(made.id).await.unwrap().unwrap().status, FunctionStatus::Building);
    let second = store.begin_deployment(made.id).await.unwrap_err();
    assert!(second.to_string().contains("wait until it has ended"), "{second}");

    let half = stages(StageStatus::Running);
    store.note_deployment(begun.id, Stage::Build, &half, "compiling\n").await.unwrap();
    store.note_deployment(begun.id, Stage::Build, &half, "done\n").await.unwrap();
    let noted = store.deployment(begun.id).await.unwrap().unwrap();
    assert_eq!((noted.stage, noted.build_logs.as_str()), (Stage::Build, "compiling\ndone\n"));
    assert_eq!(noted.stages, half);

    let all = stages(StageStatus::Succeeded);
    let (deployed, first) = store.finish_deployment(begun.id, &all, version("aa11")).await.unwrap();
    assert_eq!((deployed.status, deployed.active_version), (FunctionStatus::Deployed, Some(1)));
    assert_eq!(deployed.resolved_runtime.as_deref(), Some("nodejs20"));
    assert_eq!(deployed.build_logs, "compiling\ndone\n");
    assert_eq!((first.number, first.digest.as_str()), (1, "aa11"));
    assert_eq!(store.version(made.id, 1).await.unwrap(), Some(first.clone()));
    assert_eq!(store.version(made.id, 2).await.unwrap(), None);
    assert_eq!(store.deployed(PageRequest::default()).await.unwrap().items, [(deployed, first)]);
    let ended = store.deployment(begun.id).await.unwrap().unwrap();
    assert_eq!((ended.status, ended.error.as_deref()), (DeploymentStatus::Deployed, None));
    assert!(ended.finished_at.is_some());
}

pub async fn one_that_fails_leaves_the_version(store: &dyn Store) {
    let made = store.deployed(PageRequest::default()).await.unwrap().items.remove(0).0;
    let begun = store.begin_deployment(made.id).await.unwrap();
    assert_eq!(begun.version, 2);
    store.note_deployment(begun.id, Stage::Validate, &begun.stages, "line 3: no\n").await.unwrap();
    let failed = stages(StageStatus::Failed);
    let after = store.fail_deployment(begun.id, Stage::Validate, &failed, "syntax error").await.unwrap();
    assert_eq!((after.status, after.active_version), (FunctionStatus::Failed, Some(1)));
    assert_eq!(after.build_logs, "line 3: no\n");
    let ended = store.deployment(begun.id).await.unwrap().unwrap();
    assert_eq!((ended.status, ended.error.as_deref()), (DeploymentStatus::Failed, Some("syntax error")));

    let third = store.begin_deployment(made.id).await.unwrap();
    assert_eq!(third.version, 3, "the number of a failed deployment isn't used again");
    let (after, _) = store.finish_deployment(third.id, &failed, version("cc33")).await.unwrap();
    assert_eq!(after.active_version, Some(3));
    assert_eq!(store.version(made.id, 1).await.unwrap().unwrap().digest, "aa11");

    let newest = store.deployments(made.id, PageRequest { limit: 2, after: None }).await.unwrap();
    assert_eq!(newest.items.iter().map(|one| one.version).collect::<Vec<_>>(), [3, 2]);
    let rest = store.deployments(made.id, PageRequest { limit: 2, after: newest.next }).await.unwrap();
    assert_eq!((rest.items[0].version, rest.next), (1, None));
}

pub async fn one_that_crashed_is_ended(store: &dyn Store) {
    let made = function(store, "crashed").await;
    let begun = store.begin_deployment(made.id).await.unwrap();
    let mut half = begun.stages.clone();
    half[0].status = StageStatus::Succeeded;
    half[1].status = StageStatus::Running;
    store.note_deployment(begun.id, Stage::Install, &half, "fetching\n").await.unwrap();

    assert_eq!(store.fail_unfinished_deployments("one", "the service ended").await.unwrap(), 1);
    assert_eq!(store.fail_unfinished_deployments("one", "the service ended").await.unwrap(), 0);
    let ended = store.deployment(begun.id).await.unwrap().unwrap();
    assert_eq!((ended.status, ended.stage), (DeploymentStatus::Failed, Stage::Install));
    assert_eq!(ended.error.as_deref(), Some("the service ended"));
    let statuses: Vec<_> = ended.stages.iter().map(|stage| stage.status).collect();
    let skipped = StageStatus::Skipped;
    assert_eq!(statuses, [StageStatus::Succeeded, StageStatus::Failed, skipped, skipped, skipped]);
    let after = store.function(made.id).await.unwrap().unwrap();
    assert_eq!((after.status, after.active_version), (FunctionStatus::Failed, None));
    assert_eq!(after.build_logs, "fetching\n");
    assert_eq!(store.begin_deployment(made.id).await.unwrap().version, 2);
}

pub async fn each_node_ends_its_own(store: &dyn Store) {
    // Those of earlier tests, which name no node.
    let _ = store.fail_unfinished_deployments("none", "ended").await.unwrap();
    let (mut deployments, mut ids) = (Vec::new(), Vec::new());
    for node in ["one", "other", "dead"] {
        let made = function(store, &format!("on-{node}")).await;
        let begin = Begin { node: node.to_owned(), ..Begin::default() };
        deployments.push(store.begin_deployment_as(made.id, &begin).await.unwrap().id);
        ids.push(made.id);
    }
    let statuses = async || {
        let mut found = Vec::new();
        for id in &deployments {
            found.push(store.deployment(*id).await.unwrap().unwrap().status);
        }
        found
    };
    let (building, failed) = (DeploymentStatus::Building, DeploymentStatus::Failed);
    let silent = Duration::from_secs(3600);
    if !store.note_alive("one").await.unwrap() {
        assert_eq!(store.fail_abandoned_deployments(Duration::ZERO, "gone").await.unwrap(), 0);
        assert_eq!(
            store.fail_unfinished_deployments("one", "ended").await.unwrap(),
            3,
            "nobody else is there"
        );
        return;
    }
    assert!(store.note_alive("other").await.unwrap());
    assert_eq!(store.fail_unfinished_deployments("one", "ended").await.unwrap(), 1);
    assert_eq!(statuses().await, [failed, building, building]);
    assert_eq!(store.fail_abandoned_deployments(silent, "gone").await.unwrap(), 1);
    assert_eq!(statuses().await, [failed, building, failed]);
    let function = store.function(ids[2]).await.unwrap().unwrap();
    assert_eq!(function.status, FunctionStatus::Failed, "it can be deployed again");
    assert_eq!(store.fail_abandoned_deployments(Duration::ZERO, "gone").await.unwrap(), 1);
    assert_eq!(statuses().await, [failed; 3]);
}

pub async fn what_has_ended_stays(store: &dyn Store) {
    let made = function(store, "ended").await;
    let begun = store.begin_deployment(made.id).await.unwrap();
    let (after, _) = store.finish_deployment(begun.id, &begun.stages, version("dd44")).await.unwrap();
    let refused = store.fail_deployment(begun.id, Stage::Build, &begun.stages, "late").await.unwrap_err();
    assert!(refused.to_string().contains("has ended already"), "{refused}");
    let refused = store.note_deployment(begun.id, Stage::Build, &begun.stages, "late").await;
    assert!(matches!(refused, Err(Error::Refused { .. })));
    assert_eq!(store.function(made.id).await.unwrap(), Some(after));

    let missing = store.finish_deployment(DeploymentId(999), &[], version("ee55")).await;
    assert!(matches!(missing, Err(Error::Missing { what: "deployment" })));
    let missing = store.begin_deployment(FunctionId(999)).await;
    assert!(matches!(missing, Err(Error::Missing { what: "function" })));
}

pub async fn logs_are_bounded(store: &dyn Store) {
    let made = function(store, "chatty").await;
    let begun = store.begin_deployment(made.id).await.unwrap();
    let piece = "ä".repeat(300_000);
    for _ in 0..3 {
        store.note_deployment(begun.id, Stage::Build, &begun.stages, &piece).await.unwrap();
    }
    let logs = store.deployment(begun.id).await.unwrap().unwrap().build_logs;
    assert!(logs.len() <= 1 << 20);
    assert_eq!(logs.matches("[build logs cut at 1 MiB]").count(), 1);
    assert!(logs.ends_with("[build logs cut at 1 MiB]\n"));
}

pub async fn one_of_many_begins(store: &Arc<dyn Store>) {
    let made = function(&**store, "wanted").await;
    let all = join_all((0..20).map(|_| store.begin_deployment(made.id))).await;
    assert_eq!(all.iter().filter(|one| one.is_ok()).count(), 1);
    assert!(all.iter().all(|one| matches!(one, Ok(_) | Err(Error::Refused { .. }))));
}
