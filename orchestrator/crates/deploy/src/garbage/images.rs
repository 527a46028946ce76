//! What the driver keeps of root file systems that no bundle here is made of any more.

use cloudbox_storage::{Item, Kind};

use super::{Fate, Look, Place};

impl Look<'_> {
    /// Finds the images that can go, and removes them. Who needs one after all makes it anew.
    pub(super) async fn images(&mut self) {
        let driver = &self.deployer.site.driver;
        let images = match driver.images().await {
            Ok(images) => images,
            Err(error) => {
                self.report.notes.push(format!("images were left out: {error}"));
                return;
            }
        };
        let needed = self.deployer.site.catalogue.roots();
        for image in images.into_iter().filter(|image| !needed.contains(&image.digest)) {
            let item = Item { kind: Kind::Image, name: image.name.clone() };
            if !self.suspect(Place::Node, &item, image.bytes) {
                continue;
            }
            let fate = match driver.remove_image(&image).await {
                Ok(true) => Fate::Removed,
                Ok(false) => Fate::Needed,
                Err(error) => Fate::Failed(error.to_string()),
            };
            self.tell(Place::Node, &item, image.bytes, fate);
        }
    }
}
