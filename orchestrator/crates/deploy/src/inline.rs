//! Code that belongs to no stored function: it goes through the same stages, and nothing of it is noted anywhere.

use cloudbox_storage::Hold;
use cloudbox_types::{Function, Stage, Version};
use jiff::Timestamp;

use crate::deployer::Deployer;
use crate::error::StageError;
use crate::pipeline::{Site, Work};
use crate::stages;

/// Why code could not be made into a version.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{sentence}")]
pub struct Refused {
    /// The stage that failed.
    pub stage: Stage,
    /// A sentence for the author.
    pub sentence: String,
    /// What the stages printed.
    pub logs: String,
    /// Whether the code is at fault, and not this machine.
    pub is_codes_fault: bool,
}

/// A version that no store knows.
#[derive(Debug)]
pub struct Built {
    /// As it would be kept.
    pub version: Version,
    /// Keeps its artefact.
    _hold: Option<Hold>,
}

impl Deployer {
    /// Builds a function that is in no store, and tries it in a sandbox. Its artefact stays until
    /// [`Deployer::discard`], and as long as what this gives lives.
    ///
    /// # Errors
    /// A stage failed; what the stages before it did is undone.
    pub async fn build_inline(&self, function: Function) -> Result<Built, Refused> {
        let _turn = self.queue.enter_always(function.project_id).turn().await;
        let mut run = Run::new(&self.site, function);
        for stage in Stage::ALL {
            run.stage(stage).await?;
        }
        Ok(run.finish())
    }

    /// Has the language's own tools look at a function that is in no store, as the first stage of a deployment does.
    ///
    /// # Errors
    /// They found something.
    pub async fn check_inline(&self, function: Function) -> Result<(), Refused> {
        let _turn = self.queue.enter_always(function.project_id).turn().await;
        Run::new(&self.site, function).stage(Stage::Validate).await
    }

    /// Gives up the artefact of a version that [`Deployer::build_inline`] made, unless another version has it too.
    pub fn discard(&self, version: &Version) {
        self.site.code.give_up(&version.digest);
    }
}

/// A run of the stages, which undoes itself where it doesn't come to its end.
struct Run<'s> {
    site: &'s Site,
    work: Work,
    begun: Vec<Stage>,
}

impl<'s> Run<'s> {
    fn new(site: &'s Site, function: Function) -> Self {
        let mut work = Work::new(function, 1);
        work.is_kept = false;
        Self { site, work, begun: Vec::new() }
    }

    async fn stage(&mut self, stage: Stage) -> Result<(), Refused> {
        self.work.enter(stage);
        self.begun.push(stage);
        stages::run(stage, self.site, &mut self.work).await.map_err(|error| Refused {
            stage,
            sentence: error.sentence(),
            logs: self.work.take_log(),
            is_codes_fault: matches!(error, StageError::Refused(_)),
        })
    }

    fn finish(mut self) -> Built {
        self.begun.clear();
        let hold = self.work.hold.take();
        let settings = &self.work.function.settings;
        let version = Version {
            function_id: self.work.function.id,
            number: self.work.number,
            runtime: self.work.bundle().runtime.clone(),
            language: settings.language,
            entry_point: settings.entry_point.clone(),
            handler_style: self.work.handler_style.clone().unwrap_or_default(),
            digest: self.work.digest.clone().unwrap_or_default(),
            main: self.work.main.clone(),
            package: None,
            image: self.work.image.clone(),
            dependencies: settings.dependencies.clone(),
            author: String::new(),
            created_at: Timestamp::now(),
        };
        Built { version, _hold: hold }
    }
}

impl Drop for Run<'_> {
    fn drop(&mut self) {
        for stage in std::mem::take(&mut self.begun).into_iter().rev() {
            stages::undo(stage, self.site, &mut self.work);
        }
    }
}
