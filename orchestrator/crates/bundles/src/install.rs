//! Installs and removes toolchains: a state that everybody sees, and at most one installation of each.

use std::sync::Arc;

use crate::error::Error;
use crate::fetch::{Errand, Toolchains};
use crate::image;
use crate::shelf::Shelf;
use crate::slot::Slot;
use crate::toolchain;

/// An installation that was begun; one that is dropped before its end has failed.
#[derive(Debug)]
pub struct Installation {
    slot: Arc<Slot>,
    shelf: Arc<Shelf>,
    toolchains: Arc<Toolchains>,
    errand: Option<Errand>,
    is_over: bool,
}

impl Installation {
    /// Begins one; none where the runtime is here, or is being installed.
    ///
    /// # Errors
    /// Its toolchain can't be fetched.
    pub(crate) fn begin(
        slot: &Arc<Slot>,
        shelf: &Arc<Shelf>,
        toolchains: &Arc<Toolchains>,
    ) -> Result<Option<Self>, Error> {
        if slot.is_ready() {
            return Ok(None);
        }
        let errand = toolchains.errand(&slot.name, slot.definition(), &slot.entry)?;
        let (slot, shelf, toolchains) = (Arc::clone(slot), Arc::clone(shelf), Arc::clone(toolchains));
        if !slot.begin() {
            return Ok(None);
        }
        Ok(Some(Self { slot, shelf, toolchains, errand: Some(errand), is_over: false }))
    }

    /// Fetches the toolchain and makes its bundle; the runtime's state says how it goes and how it ended.
    pub async fn run(mut self) {
        let outcome = self.install().await;
        self.is_over = true;
        let Err(error) = outcome else { return };
        tracing::warn!(
            runtime.name = self.slot.name,
            error = &error as &dyn std::error::Error,
            "not installed"
        );
        let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
        self.slot.fail(format!("{error}{cause}"));
        if let Err(error) = self.toolchains.remove(&self.slot.name) {
            tracing::warn!(error = &error as &dyn std::error::Error, "a toolchain of no use is left");
        }
    }

    async fn install(&mut self) -> Result<(), Error> {
        let Some(errand) = self.errand.take() else { return Ok(()) };
        let slot = Arc::clone(&self.slot);
        slot.note("fetching".to_owned());
        let program = errand.run(&|bytes| slot.note(format!("fetching: {} MB", bytes >> 20))).await?;
        slot.note("making its bundle".to_owned());
        let asked = Arc::clone(&slot);
        let found = tokio::task::spawn_blocking(move || {
            toolchain::of_program(asked.definition(), &program, &asked.entry.version)
        });
        let found = found.await.ok().flatten().ok_or_else(|| Error::NotFetchable {
            runtime: slot.name.clone(),
            why: "what was fetched does not run here, or is of another version".to_owned(),
        })?;
        let bundle = Arc::clone(&slot).make(found.clone(), &self.shelf).await?;
        slot.install(found, bundle);
        tracing::info!(runtime.name = slot.name, "installed");
        Ok(())
    }
}

impl Drop for Installation {
    fn drop(&mut self) {
        if !self.is_over {
            self.slot.fail("the installation was broken off; ask for it again".to_owned());
        }
    }
}

/// Removes a toolchain that was fetched, and its bundle; one that isn't here is no error.
///
/// # Errors
/// It is the machine's own, in use, or being installed.
pub(crate) fn remove(slot: &Slot, shelf: &Shelf, toolchains: &Toolchains) -> Result<(), Error> {
    slot.check_settled()?;
    let had_image = slot.forget_image()?;
    if image::remove(toolchains, &slot.name)? || had_image {
        return Ok(());
    }
    if !slot.is_installed() {
        return if slot.is_ready() { Err(Error::Own { runtime: slot.name.clone() }) } else { Ok(()) };
    }
    slot.forget()?;
    shelf.remove(&slot.name)?;
    toolchains.remove(&slot.name).map(drop)
}
