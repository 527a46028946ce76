//! Images that the settings name as the toolchains of runtimes.

use std::sync::Arc;

use anyhow::Context as _;
use cloudbox_bundles::{BaseInstallation, Catalogue};
use cloudbox_images::{Images, Reference};

use super::App;
use crate::config::Config;

/// Installations that were begun; what the runtimes had before serves until they end.
pub(super) type Begun = Vec<(BaseInstallation, Reference)>;

/// Begins to install the images of `runtimes.images`, but for those that are installed by these names.
///
/// # Errors
/// The setting, with what is wrong with it: no such runtime, none that can be an image, no image's name, or no driver for it.
pub(super) fn begin(config: &Config, catalogue: &Catalogue, images: &Images) -> anyhow::Result<Begun> {
    let mut begun = Begun::new();
    for (runtime, image) in &config.runtimes.images {
        let one = begin_one(catalogue, images, runtime, image);
        begun.extend(one.with_context(|| format!("runtimes.images.{runtime} = {image:?}"))?);
    }
    Ok(begun)
}

fn begin_one(
    catalogue: &Catalogue,
    images: &Images,
    runtime: &str,
    image: &str,
) -> anyhow::Result<Option<(BaseInstallation, Reference)>> {
    let reference = Reference::parse(image)?;
    images.check_driver()?;
    let is_here = catalogue.runtime(runtime).is_some_and(|info| info.image == Some(reference.short()));
    if is_here {
        return Ok(None);
    }
    Ok(Some((catalogue.begin_image(runtime)?, reference)))
}

impl App {
    /// Runs installations to their ends, which the runtimes' states tell.
    pub(super) fn install(self: &Arc<Self>, begun: Begun) {
        for (installation, reference) in begun {
            let images = Arc::clone(self.deployer.images());
            let closing = self.ending.closing.clone();
            self.tasks.spawn(async move {
                closing.run_until_cancelled_owned(images.install(installation, &reference)).await
            });
        }
    }
}
