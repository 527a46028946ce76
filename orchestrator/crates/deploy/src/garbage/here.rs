//! What is on this node: artefacts, packages and sets of dependencies.

use cloudbox_storage::{Item, Kind, Removal};
use cloudbox_store::References;

use super::{Fate, Look, Place, is_referenced};
use crate::error::Error;
use crate::pipeline::Site;

impl Look<'_> {
    /// Finds what can go here, and removes it: sets of dependencies last, since an artefact that goes may need one.
    pub(super) async fn here(&mut self, references: &References) -> Result<(), Error> {
        let (sets, others): (Vec<_>, Vec<_>) =
            listed(&self.deployer.site)?.into_iter().partition(|(item, _)| item.kind == Kind::Dependencies);
        self.round(references, others).await?;
        self.round(references, sets).await
    }

    async fn round(
        &mut self,
        references: &References,
        listed: Vec<(Item, Option<u64>)>,
    ) -> Result<(), Error> {
        let site = &self.deployer.site;
        let mut begun = Vec::new();
        for (item, bytes) in listed {
            if is_needed(site, references, &item) {
                continue;
            }
            // Held: who does will refer to it, or let it go.
            let Some(removal) = site.holds.begin_removal(item.clone()) else { continue };
            let bytes = bytes.unwrap_or_else(|| bytes_of(site, &item));
            if self.suspect(Place::Node, &item, bytes) {
                begun.push((removal, bytes));
            }
        }
        if begun.is_empty() {
            return Ok(());
        }
        // The last look comes after the beginning: what was held before it and is not now has its row.
        let references = self.deployer.store.objects().references().await?;
        for (removal, bytes) in begun {
            let item = removal.item().clone();
            let fate =
                if is_needed(site, &references, &item) { Fate::Needed } else { removed(site, removal) };
            self.tell(Place::Node, &item, bytes, fate);
        }
        Ok(())
    }
}

/// Everything that is kept here; bytes where they are known at once.
fn listed(site: &Site) -> Result<Vec<(Item, Option<u64>)>, Error> {
    let of = |kind| move |name| (Item { kind, name }, None);
    let mut all: Vec<_> = site.code.list()?.into_iter().map(of(Kind::Artefact)).collect();
    all.extend(site.dependencies.list()?.into_iter().map(of(Kind::Dependencies)));
    let packages = site.packages.list()?.into_iter();
    all.extend(packages.map(|(name, bytes)| (Item { kind: Kind::Package, name }, Some(bytes))));
    Ok(all)
}

fn bytes_of(site: &Site, item: &Item) -> u64 {
    match item.kind {
        Kind::Artefact => site.code.bytes(&item.name),
        Kind::Dependencies => site.dependencies.bytes(&item.name),
        Kind::Package | Kind::Image | Kind::Bundle | Kind::Upload => 0,
    }
}

/// Whether a row refers to it; to a set of dependencies, through an artefact that was made with it.
fn is_needed(site: &Site, references: &References, item: &Item) -> bool {
    if item.kind != Kind::Dependencies {
        return is_referenced(references, item);
    }
    let (needed, gone): (Vec<_>, Vec<_>) =
        site.dependencies.users(&item.name).into_iter().partition(|artefact| {
            references.artefacts.contains(artefact) || site.code.folder().join(artefact).is_dir()
        });
    gone.iter().for_each(|artefact| site.dependencies.forget_user(&item.name, artefact));
    !needed.is_empty()
}

/// The name goes at once, under the eyes of who may take hold; the files after it.
fn removed(site: &Site, removal: Removal) -> Fate {
    let item = removal.item().clone();
    let moved = removal.finish(|| match item.kind {
        Kind::Artefact => site.code.remove(&item.name).map(Some).map_err(|error| error.sentence()),
        Kind::Dependencies => {
            site.dependencies.remove(&item.name).map(Some).map_err(|error| error.sentence())
        }
        Kind::Package => site.packages.remove(&item.name).map(|()| None).map_err(|error| error.to_string()),
        Kind::Image | Kind::Bundle | Kind::Upload => Ok(None),
    });
    match moved {
        None => Fate::Needed,
        Some(Err(why)) => Fate::Failed(why),
        Some(Ok(None)) => Fate::Removed,
        Some(Ok(Some(gone))) => match gone.close() {
            Ok(()) => Fate::Removed,
            Err(error) => Fate::Failed(format!("removing its files: {error}")),
        },
    }
}
