//! What nothing refers to any more, and how it goes: artefacts, packages, sets of dependencies, images, bundles, objects of the
//! object store, and uploads to it that were broken off.
//!
//! An item goes when no row refers to it and nobody holds it at a look, and at every look of the grace before. Its
//! removal begins before the last look at the database and comes to nothing where somebody takes hold meanwhile
//! (`cloudbox_storage::Holds`); in the object store the same is done over the database, for all nodes (`ledger`).

mod bundles;
mod here;
mod images;
mod there;

use std::collections::HashSet;
use std::time::Duration;

use cloudbox_storage::{Item, Kind};
use cloudbox_store::References;

use crate::deployer::Deployer;
use crate::error::Error;
use crate::suspects::{Place, Suspects};

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Order {
    /// Whether nothing is to go.
    pub is_dry: bool,
    /// How long nothing must have referred to what goes.
    pub grace: Duration,
}

/// What becomes of an item that nothing refers to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is gone.
    Removed,
    /// It would be, were this no dry run.
    Removable,
    /// Its grace isn't over.
    Waiting(Duration),
    /// It was needed after all.
    Needed,
    /// Why it could not be removed.
    Failed(String),
}

/// An item that nothing refers to.
#[derive(Clone, Debug)]
pub struct Found {
    /// Which.
    pub item: Item,
    /// Where.
    pub place: Place,
    /// Bytes that are free when it is gone.
    pub bytes: u64,
    /// What became of it.
    pub fate: Fate,
}

/// What was found, and what was left out for which reason.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// By kind and name.
    pub found: Vec<Found>,
    /// Sentences for the operator.
    pub notes: Vec<String>,
}

/// One look and what follows from it.
struct Look<'a> {
    deployer: &'a Deployer,
    order: Order,
    suspects: &'a mut Suspects,
    seen: HashSet<(Place, Item)>,
    report: Report,
}

impl Deployer {
    /// Finds what nothing refers to, and removes what has been so for the grace. One at a time.
    ///
    /// # Errors
    /// The database can't be asked, or a folder of this node can't be read. What the object store or the driver refuses is
    /// in the report.
    pub async fn collect_garbage(&self, order: Order) -> Result<Report, Error> {
        let mut suspects = self.suspects.lock().await;
        let touched = self.site.holds.take_touched();
        suspects.forget(&touched);
        let references = self.store.objects().references().await?;
        let mut look = Look {
            deployer: self,
            order,
            suspects: &mut suspects,
            seen: HashSet::new(),
            report: Report::default(),
        };
        look.here(&references).await?;
        look.bundles();
        look.images(&references).await;
        look.there(&references).await;
        let Look { seen, mut report, .. } = look;
        suspects.keep(&seen, &touched);
        report.found.sort_by(|one, other| one.item.cmp(&other.item));
        Ok(report)
    }
}

impl Look<'_> {
    /// Notes an item that nothing refers to; whether it is to be removed now.
    fn suspect(&mut self, place: Place, item: &Item, bytes: u64) -> bool {
        self.seen.insert((place, item.clone()));
        let left = self.suspects.wait(place, item, self.order.grace);
        let fate = match (left.is_zero(), self.order.is_dry) {
            (false, _) => Fate::Waiting(left),
            (true, true) => Fate::Removable,
            (true, false) => return true,
        };
        self.tell(place, item, bytes, fate);
        false
    }

    fn tell(&mut self, place: Place, item: &Item, bytes: u64, fate: Fate) {
        if let Fate::Failed(why) = &fate {
            tracing::warn!(kind = item.kind.as_str(), name = item.name, why, "garbage stays");
        }
        if fate == Fate::Removed {
            tracing::info!(
                kind = item.kind.as_str(),
                name = item.name,
                bytes,
                "nothing referred to it: removed"
            );
        }
        self.report.found.push(Found { item: item.clone(), place, bytes, fate });
    }
}

fn is_referenced(references: &References, item: &Item) -> bool {
    match item.kind {
        Kind::Artefact => references.artefacts.contains(&item.name),
        Kind::Package => references.packages.contains(&item.name),
        Kind::Dependencies | Kind::Image | Kind::Bundle | Kind::Upload => false,
    }
}
