//! One deployment while it runs: its stages, what is noted of them, and how it ends in the store.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use cloudbox_store::{NewVersion, Store};
use cloudbox_types::{Deployment, DeploymentStatus, Function, Stage, StageReport, StageStatus, Version};
use tokio::sync::RwLock;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::error::{Error, StageError};
use crate::patience::{PAUSE, patiently};
use crate::pipeline::{Site, Work};
use crate::progress::{BuildLog, Halt};
use crate::stages;

/// How often what is said is noted while a stage runs: so long is a line on its way to who follows.
const NOTE_EVERY: Duration = Duration::from_millis(200);
/// How long a stage may take to end when it is told to: its sandbox is removed meanwhile.
const HALT_WITHIN: Duration = Duration::from_secs(15);

/// Told which version is active from now on.
pub type Told<'a> = &'a (dyn Fn(&Function, &Version) + Send + Sync);

/// One deployment while it runs.
pub(super) struct Run<'a> {
    store: &'a Arc<dyn Store>,
    site: &'a Site,
    /// As the deployer's.
    switching: &'a RwLock<()>,
    pub(super) deployment: Deployment,
    work: Work,
    reports: Vec<StageReport>,
}

impl<'a> Run<'a> {
    pub(super) fn new(
        store: &'a Arc<dyn Store>,
        site: &'a Site,
        switching: &'a RwLock<()>,
        deployment: Deployment,
        work: Work,
    ) -> Self {
        let pending = |name| StageReport { name, status: StageStatus::Pending, duration_ms: None };
        Self { store, site, switching, deployment, work, reports: Stage::ALL.map(pending).to_vec() }
    }

    /// Runs it to its end; the function with the version that is active now, where it did not fail.
    pub(super) async fn finish(&mut self, told: Told<'_>) -> Result<Option<(Function, Version)>, Error> {
        let outcome = self.stages().await;
        let ended = match outcome {
            Ok(None) => self.succeed(told).await.map(Some),
            Ok(Some((stage, error))) => self.fail(stage, &error).await.map(|()| None),
            Err(error) => Err(error),
        };
        if let Err(error) = &ended {
            self.give_up(error).await;
        }
        if !matches!(ended, Ok(Some(_))) {
            self.undo();
        }
        ended
    }

    /// Runs the stages in their order; the one that failed, if one did.
    async fn stages(&mut self) -> Result<Option<(Stage, StageError)>, Error> {
        let end = Instant::now() + self.site.settings.patience;
        for (index, stage) in Stage::ALL.into_iter().enumerate() {
            self.work.enter(stage);
            self.reports[index].status = StageStatus::Running;
            self.note(stage).await?;
            let started = Instant::now();
            let outcome = self.stage(stage, end).await?;
            let duration = started.elapsed().as_millis();
            self.reports[index].duration_ms = Some(u64::try_from(duration).unwrap_or(u64::MAX));
            if let Err(error) = outcome {
                self.reports[index].status = StageStatus::Failed;
                for later in &mut self.reports[index + 1..] {
                    later.status = StageStatus::Skipped;
                }
                return Ok(Some((stage, error)));
            }
            self.reports[index].status = StageStatus::Succeeded;
        }
        Ok(None)
    }

    /// Runs a stage, and tells of what it says meanwhile. The store's slowness is not the stage's: both go on at once.
    async fn stage(&mut self, stage: Stage, end: Instant) -> Result<Result<(), StageError>, Error> {
        let Self { store, site, deployment, work, reports, .. } = self;
        let (log, halt) = (work.log(), work.halt.clone());
        if let Some(why) = halt.reason() {
            return Ok(Err(StageError::Refused(why)));
        }
        let notes = Notes { store: store.as_ref(), deployment, reports };
        let ended = CancellationToken::new();
        let running = async {
            let _ended = ended.clone().drop_guard();
            within(site.settings.patience, end, stage, &halt, stages::run(stage, site, work)).await
        };
        let noting = async {
            while ended.run_until_cancelled(tokio::time::sleep(NOTE_EVERY)).await.is_some() {
                if !log.is_empty() {
                    let noted = notes.note(stage, &log).await;
                    noted.inspect_err(|_| halt.order("the deployment can't be kept"))?;
                }
            }
            Ok(())
        };
        let (outcome, noted) = tokio::join!(running, noting);
        noted.map(|()| outcome)
    }

    /// Tells the store how far it is. What the store doesn't take now is told with the next note.
    async fn note(&mut self, stage: Stage) -> Result<(), Error> {
        let notes =
            Notes { store: self.store.as_ref(), deployment: &self.deployment, reports: &self.reports };
        notes.note(stage, &self.work.log()).await
    }

    /// The last note, which has to be taken.
    async fn note_last(&mut self, stage: Stage) -> Result<(), Error> {
        loop {
            self.note(stage).await?;
            if self.work.log().is_empty() {
                return Ok(());
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn succeed(&mut self, told: Told<'_>) -> Result<(Function, Version), Error> {
        self.note_last(Stage::HealthCheck).await?;
        let settings = &self.work.function.settings;
        let version = NewVersion {
            runtime: self.work.bundle().runtime.clone(),
            entry_point: settings.entry_point.clone(),
            handler_style: self.work.handler_style.clone().unwrap_or_default(),
            digest: self.work.digest.clone().unwrap_or_default(),
            main: self.work.main.clone(),
            package: self.work.function.settings.package.clone(),
            image: self.work.image.clone(),
            code: settings.code.clone(),
            dependencies: settings.dependencies.clone(),
        };
        let digest = version.digest.clone();
        loop {
            let switching = self.switching.write().await;
            match self.end_with(version.clone()).await {
                Ok(active) => {
                    told(&active.0, &active.1);
                    self.site.code.keep(&digest);
                    return Ok(active);
                }
                Err(error) if error.is_passing() => {
                    tracing::warn!(deployment.id = self.deployment.id.0, %error, "a deployment can't end yet");
                }
                Err(error) => return Err(error.into()),
            }
            drop(switching);
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Ends the deployment in the store. It may have ended with an earlier try that nobody could say of.
    async fn end_with(&self, version: NewVersion) -> Result<(Function, Version), cloudbox_store::Error> {
        let store = self.store;
        let id = self.deployment.id;
        let ended = store.finish_deployment(id, &self.reports, version).await;
        let Err(cloudbox_store::Error::Refused { .. }) = &ended else { return ended };
        let (function, number) = (self.deployment.function_id, self.deployment.version);
        let is_ours = store.deployment(id).await?.is_some_and(|row| row.status == DeploymentStatus::Deployed);
        if !is_ours {
            return ended;
        }
        match (store.function(function).await?, store.version(function, number).await?) {
            (Some(function), Some(version)) => Ok((function, version)),
            _ => ended,
        }
    }

    async fn fail(&mut self, stage: Stage, error: &StageError) -> Result<(), Error> {
        let sentence = error.sentence();
        if !matches!(error, StageError::Refused(_)) {
            tracing::warn!(
                function.id = self.deployment.function_id.0,
                deployment.id = self.deployment.id.0,
                stage = stage.as_str(),
                error = sentence,
                "a deployment failed"
            );
        }
        self.work.say(format!("failed: {sentence}"));
        self.note_last(stage).await?;
        let (store, id) = (self.store, self.deployment.id);
        match patiently(|| store.fail_deployment(id, stage, &self.reports, &sentence)).await {
            // Refused: an earlier try was taken, though nobody could say so.
            Err(cloudbox_store::Error::Refused { .. }) | Ok(_) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Ends a deployment that can't be kept for a reason that doesn't pass, where there is one still: one that seemed
    /// to run on would keep the function from the next.
    async fn give_up(&self, error: &Error) {
        let (store, id) = (self.store, self.deployment.id);
        let begun = self.reports.iter().rfind(|report| report.status != StageStatus::Pending);
        let stage = begun.map_or(Stage::ALL[0], |report| report.name);
        let why = format!("it can't be kept: {error}");
        let ended = patiently(|| store.fail_deployment(id, stage, &self.reports, &why)).await;
        if let Err(refused) = ended {
            tracing::debug!(deployment.id = id.0, %refused, "a deployment is gone or has ended already");
        }
    }

    /// Takes back what was done, the last stage first.
    fn undo(&mut self) {
        let begun = self.reports.iter().filter(|report| report.status != StageStatus::Pending);
        let begun: Vec<Stage> = begun.map(|report| report.name).collect();
        for stage in begun.into_iter().rev() {
            stages::undo(stage, self.site, &mut self.work);
        }
    }
}

/// A stage until it ends: by itself, or told to by the order or by the end of the deployment's time.
async fn within(
    patience: Duration,
    end: Instant,
    stage: Stage,
    halt: &Halt,
    run: impl Future<Output = Result<(), StageError>>,
) -> Result<(), StageError> {
    let mut run = pin!(run);
    let why = tokio::select! {
        biased;
        outcome = &mut run => return outcome,
        why = halt.ordered() => why,
        () = tokio::time::sleep_until(end) => {
            halt.order(format!("the deployment took longer than {} s in all", patience.as_secs()));
            halt.ordered().await
        }
    };
    // A sandbox that loads code is removed by being dropped; a build's folder has to wait for its own.
    let patience = if stage == Stage::HealthCheck { Duration::ZERO } else { HALT_WITHIN };
    let _ = tokio::time::timeout(patience, &mut run).await;
    Err(StageError::Refused(why))
}

/// What is noted of a deployment besides its logs.
struct Notes<'a> {
    store: &'a dyn Store,
    deployment: &'a Deployment,
    reports: &'a [StageReport],
}

impl Notes<'_> {
    async fn note(&self, stage: Stage, log: &BuildLog) -> Result<(), Error> {
        let text = log.take();
        let id = self.deployment.id;
        match self.store.note_deployment(id, stage, self.reports, &text).await {
            Err(error) if error.is_passing() => {
                tracing::warn!(deployment.id = id.0, %error, "a deployment goes on without its notes");
                log.put_back(&text);
                Ok(())
            }
            noted => Ok(noted?),
        }
    }
}
