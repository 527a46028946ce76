//! What nodes that share an object store and a database see of one another: holds, in the database.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cloudbox_storage::{Error, Item, Kind, Ledger};
use cloudbox_store::{ObjectKind, Objects, Store};
use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use crate::patience::patiently;

/// Between two looks at whether an object's removal is done.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// How long a removal counts, besides what the object store may take: its node may have died.
const REMOVAL: Duration = Duration::from_secs(60);

/// The holds of all nodes.
pub(crate) struct SharedHolds {
    objects: Objects,
    /// How long a hold counts whose node died.
    hold_for: Duration,
    remove_within: Duration,
}

impl SharedHolds {
    /// Holds that count for the time of a deployment, and removals for that of an object store.
    pub fn new(store: &Arc<dyn Store>, deployment: Duration, patience: Duration) -> Self {
        let hold_for = deployment + Duration::from_secs(3600);
        Self { objects: store.objects(), hold_for, remove_within: 4 * patience + REMOVAL }
    }

    /// Whether a node is about to refer to an object, or to send it.
    pub async fn is_held(&self, item: &Item) -> Result<bool, cloudbox_store::Error> {
        let Some(kind) = kind(item) else { return Ok(false) };
        self.objects.is_held(kind, &item.name).await
    }

    /// Removes an object by `remove`, unless a row or a node needs it; none where one does.
    pub async fn remove<T>(
        &self,
        item: &Item,
        remove: impl Future<Output = T>,
    ) -> Result<Option<T>, cloudbox_store::Error> {
        let Some(kind) = kind(item) else { return Ok(None) };
        let number = self.objects.begin_removal(kind, &item.name, from_now(self.remove_within)).await?;
        let Some(number) = number else { return Ok(None) };
        let removed = remove.await;
        self.objects.release(number).await?;
        Ok(Some(removed))
    }
}

#[async_trait]
impl Ledger for SharedHolds {
    async fn hold(&self, item: &Item) -> Result<i64, Error> {
        let kind = kind(item).ok_or(Error::Unavailable)?;
        let number = patiently(|| self.objects.hold(kind, &item.name, from_now(self.hold_for)))
            .await
            .map_err(|error| unkept(&error))?;
        let end = Instant::now() + self.remove_within;
        while patiently(|| self.objects.is_going(kind, &item.name)).await.map_err(|error| unkept(&error))? {
            if Instant::now() > end {
                self.release(number).await;
                return Err(Error::Unavailable);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(number)
    }

    async fn release(&self, number: i64) {
        if let Err(error) = self.objects.release(number).await {
            tracing::debug!(%error, "a hold stays in the database until its time is over");
        }
    }
}

fn kind(item: &Item) -> Option<ObjectKind> {
    match item.kind {
        Kind::Artefact => Some(ObjectKind::Artefact),
        Kind::Package => Some(ObjectKind::Package),
        Kind::Dependencies | Kind::Image | Kind::Bundle | Kind::Upload => None,
    }
}

fn from_now(time: Duration) -> Timestamp {
    Timestamp::now() + SignedDuration::try_from(time).unwrap_or(SignedDuration::from_hours(24))
}

fn unkept(error: &cloudbox_store::Error) -> Error {
    tracing::error!(error = error as &dyn std::error::Error, "holds of objects can't be kept");
    Error::Unavailable
}
