//! What the driver keeps of root file systems that no bundle here is made of any more, and that no version runs in.

use std::collections::BTreeSet;

use cloudbox_sandbox::driver::Image;
use cloudbox_storage::{Item, Kind, Removal};
use cloudbox_store::References;

use super::{Fate, Look, Place};
use crate::pipeline::Site;

impl Look<'_> {
    /// Finds the images that can go, and removes them. Who needs one of a bundle after all makes it anew; those of Dockerfiles
    /// can't be made again, so that deployments hold them by their digest until there is a row.
    pub(super) async fn images(&mut self, references: &References) {
        let site = &self.deployer.site;
        let images = match site.driver.images().await {
            Ok(images) if images.is_empty() => return,
            Ok(images) => images,
            Err(error) => {
                self.report.notes.push(format!("images were left out: {error}"));
                return;
            }
        };
        let needed = match needed(site, references) {
            Ok(needed) => needed,
            Err(why) => {
                self.report.notes.push(format!("images were left out: {why}"));
                return;
            }
        };
        for image in images.into_iter().filter(|image| !needed.contains(&image.digest)) {
            let held = Item { kind: Kind::Image, name: image.digest.clone() };
            let Some(removal) = site.holds.begin_removal(held) else { continue };
            let item = Item { kind: Kind::Image, name: image.name.clone() };
            if !self.suspect(Place::Node, &item, image.bytes) {
                continue;
            }
            let fate = self.remove_image(&image, removal).await.unwrap_or_else(Fate::Failed);
            self.tell(Place::Node, &item, image.bytes, fate);
        }
    }

    async fn remove_image(&self, image: &Image, removal: Removal) -> Result<Fate, String> {
        let site = &self.deployer.site;
        // Who takes hold of one makes sure that it is there in the same turn.
        let _turn = site.images.removing().await;
        let references = self.deployer.store.objects().references().await;
        let references = references.map_err(|error| error.to_string())?;
        if needed(site, &references)?.contains(&image.digest) || removal.finish(|| ()).is_none() {
            return Ok(Fate::Needed);
        }
        let removed = site.driver.remove_image(image).await.map_err(|error| error.to_string())?;
        Ok(if removed { Fate::Removed } else { Fate::Needed })
    }
}

/// The digests of all roots that somebody may want: of bundles, of runtimes that are images, of versions.
fn needed(site: &Site, references: &References) -> Result<BTreeSet<String>, String> {
    let mut needed = site.catalogue.image_roots(&references.images).map_err(|error| error.to_string())?;
    needed.extend(site.catalogue.roots());
    Ok(needed)
}
