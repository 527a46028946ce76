//! Other nodes on the same database: what they change of what calls get is taken over here, as soon as it is committed.
//!
//! A notice can be lost with its connection, so what is in memory is compared with the database now and then, too.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use cloudbox_store::{Change, Changes, Error, Generation};
use cloudbox_types::{FunctionId, PageRequest, ProjectId};
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::App;

/// Between two looks for changes that no notice told of: for so long at most a node may call what was before.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// Before the database is asked again that could not be reached.
const PAUSE: Duration = Duration::from_secs(1);

impl App {
    /// Takes over what other nodes change, as long as it is polled. Ends at once where the database is this node's own.
    pub(super) async fn follow_nodes(self: &Arc<Self>) {
        loop {
            match self.store.changes().await {
                Ok(None) => return,
                Ok(Some(changes)) => {
                    let error = self.hear(changes).await;
                    tracing::warn!(%error, "changes of other nodes are not heard for now");
                }
                Err(error) => tracing::debug!(%error, "changes of other nodes are not heard yet"),
            }
            sleep(PAUSE).await;
        }
    }

    /// Until the database can't be reached.
    async fn hear(self: &Arc<Self>, mut changes: Changes) -> Error {
        // The first one at once: for what was changed before anybody listened.
        let mut looks = interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let taken = tokio::select! {
                change = changes.next() => match change {
                    Ok(change) => self.take_over(change).await,
                    Err(error) => return error,
                },
                _ = looks.tick() => self.catch_up().await,
            };
            // The next look comes to it again.
            if let Err(error) = taken {
                tracing::debug!(%error, "a change of another node can't be read yet");
            }
        }
    }

    async fn take_over(self: &Arc<Self>, change: Change) -> Result<(), Error> {
        match change {
            Change::Function { project, function, generation: None } => {
                self.function_gone(project, function);
                Ok(())
            }
            Change::Function { project, function, generation: Some(number) } => {
                self.renew(Generation { function, project, number }).await
            }
            Change::Project(id) => self.renew_project(id).await,
            Change::Any => self.catch_up().await,
        }
    }

    /// Reads a function anew, unless it is known as it is: most changes are this node's own.
    async fn renew(self: &Arc<Self>, changed: Generation) -> Result<(), Error> {
        let Generation { function: id, project, number } = changed;
        if self.table.known(id).is_some_and(|known| known.function.generation >= number) {
            return Ok(());
        }
        match self.store.function(id).await? {
            Some(function) => {
                if let Some(project) = self.table.project(&project.to_string()).await? {
                    self.table.put_project((*project).clone());
                }
                let version = self.active_version(&function).await?;
                self.function_changed(function, version);
                self.fetch_named(id).await;
            }
            None => self.function_gone(project, id),
        }
        Ok(())
    }

    /// A function is deleted.
    pub(super) fn function_gone(&self, project: ProjectId, function: FunctionId) {
        self.table.remove(project, function);
        self.pool.retire(function, &[]);
    }

    /// A project is deleted, with all that was in it.
    pub(super) fn project_gone(&self, project: ProjectId) {
        for function in self.table.remove_project(project) {
            self.pool.retire(function, &[]);
        }
        self.pool.share(project, false);
    }

    async fn renew_project(&self, id: ProjectId) -> Result<(), Error> {
        match self.store.project(id).await? {
            Some(project) => self.table.put_project(project),
            None => self.project_gone(id),
        }
        Ok(())
    }

    /// Compares all that is in memory with the database.
    async fn catch_up(self: &Arc<Self>) -> Result<(), Error> {
        // Before the database is asked: what is here now is there, too, unless it was deleted.
        let known: Vec<(FunctionId, ProjectId)> =
            self.table.entries().iter().map(|entry| (entry.function.id, entry.function.project_id)).collect();
        let all = self.store.generations().await?;
        let numbers: HashMap<_, _> =
            all.iter().map(|generation| (generation.function, *generation)).collect();
        let mut outcome = Ok(());
        for (function, project) in known {
            match numbers.get(&function) {
                // One that can't be read, such as for a lost key, is no reason to leave the others.
                Some(generation) => outcome = self.renew(*generation).await.and(outcome),
                None => self.function_gone(project, function),
            }
        }
        self.catch_up_projects().await.and(outcome)
    }

    async fn catch_up_projects(&self) -> Result<(), Error> {
        let mut known: HashMap<_, _> =
            self.table.projects().into_iter().map(|project| (project.id, project)).collect();
        let mut page = PageRequest { after: None, limit: 1000 };
        loop {
            let found = self.store.projects(page).await?;
            for project in found.items {
                if known.remove(&project.id).is_some_and(|known| *known != project) {
                    self.table.put_project(project);
                }
            }
            match found.next {
                Some(next) => page.after = Some(next),
                None => break,
            }
        }
        known.into_keys().for_each(|gone| self.project_gone(gone));
        Ok(())
    }
}
