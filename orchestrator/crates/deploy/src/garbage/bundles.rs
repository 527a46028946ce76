//! Root file systems of toolchains that this release can't use.

use cloudbox_storage::{Item, Kind};

use super::{Fate, Look, Place};

impl Look<'_> {
    /// Finds the bundles that can go, and removes them. What a process of this machine uses stays.
    pub(super) fn bundles(&mut self) {
        let catalogue = &self.deployer.site.catalogue;
        let old = match catalogue.old_bundles() {
            Ok(old) => old,
            Err(error) => {
                self.report.notes.push(format!("bundles were left out: {error}"));
                return;
            }
        };
        for (name, bytes) in old {
            let item = Item { kind: Kind::Bundle, name };
            if !self.suspect(Place::Node, &item, bytes) {
                continue;
            }
            let fate = match catalogue.remove_bundle(&item.name) {
                Ok(true) => Fate::Removed,
                Ok(false) => Fate::Needed,
                Err(error) => Fate::Failed(error.to_string()),
            };
            self.tell(Place::Node, &item, bytes, fate);
        }
    }
}
