//! What is in the object store that all nodes share.

use cloudbox_artefacts::{ARTEFACTS, digest_of_object};
use cloudbox_storage::{Item, Kind, Object, PACKAGES, Remote, is_digest};
use cloudbox_store::References;

use super::{Fate, Look, Place, is_referenced};
use crate::ledger::SharedHolds;

impl Look<'_> {
    /// Finds the objects that can go, and removes them.
    pub(super) async fn there(&mut self, references: &References) {
        let deployer = self.deployer;
        let Some((remote, shared)) = deployer.site.settings.remote.as_deref().zip(deployer.shared.as_deref())
        else {
            return;
        };
        let objects = match objects(remote).await {
            Ok(objects) => objects,
            Err(why) => {
                self.report.notes.push(why);
                return;
            }
        };
        for (folder, item, object) in objects {
            if is_referenced(references, &item) || !self.suspect(Place::Store, &item, object.bytes) {
                continue;
            }
            let fate = match shared.remove(&item, remote.delete(folder, &object.name)).await {
                Ok(None) => Fate::Needed,
                Ok(Some(Ok(()))) => Fate::Removed,
                Ok(Some(Err(error))) => Fate::Failed(error.to_string()),
                Err(error) => Fate::Failed(error.to_string()),
            };
            self.tell(Place::Store, &item, object.bytes, fate);
        }
        for (folder, kind) in FOLDERS {
            if let Err(why) = self.broken_off(remote, shared, folder, kind).await {
                self.report.notes.push(why);
                return;
            }
        }
    }

    /// Ends the uploads of a node that died: nobody holds what they are of, and they were begun before the grace. Who sends an
    /// object holds it from before until after, so what is listed and is not held then is nobody's.
    async fn broken_off(
        &mut self,
        remote: &Remote,
        shared: &SharedHolds,
        folder: &'static str,
        kind: Kind,
    ) -> Result<(), String> {
        for upload in remote.unfinished(folder).await.map_err(|error| error.to_string())? {
            let Some(name) = digest_in(kind, &upload.name) else { continue };
            let of = Item { kind, name };
            if shared.is_held(&of).await.map_err(|error| error.to_string())? {
                continue;
            }
            let left = self.order.grace.saturating_sub(upload.since.elapsed().unwrap_or_default());
            let fate = match (left.is_zero(), self.order.is_dry) {
                (false, _) => Fate::Waiting(left),
                (true, true) => Fate::Removable,
                (true, false) => match remote.abort(folder, &upload).await {
                    Ok(()) => Fate::Removed,
                    Err(error) => Fate::Failed(error.to_string()),
                },
            };
            self.tell(Place::Store, &Item { kind: Kind::Upload, ..of }, upload.bytes, fate);
        }
        Ok(())
    }
}

/// Where objects of ours are, and what they are.
const FOLDERS: [(&str, Kind); 2] = [(ARTEFACTS, Kind::Artefact), (PACKAGES, Kind::Package)];

/// The SHA-256 that an object is kept by; none for something else that lies beside them, and is not ours.
fn digest_in(kind: Kind, object: &str) -> Option<String> {
    let name = match kind {
        Kind::Artefact => digest_of_object(object),
        _ => Some(object).filter(|name| is_digest(name)),
    };
    name.map(str::to_owned)
}

/// What is in the store, with its folder there; or a sentence why nothing of it can go.
async fn objects(remote: &Remote) -> Result<Vec<(&'static str, Item, Object)>, String> {
    let unusable = |error: cloudbox_storage::Error| format!("the object store was left out: {error}");
    let mut all = Vec::new();
    for (folder, kind) in FOLDERS {
        for object in remote.list(folder).await.map_err(unusable)? {
            let Some(name) = digest_in(kind, &object.name) else { continue };
            all.push((folder, Item { kind, name }, object));
        }
    }
    // After the objects: whose objects are among them has said so before.
    let others = remote.others().await.map_err(unusable)?;
    if others.is_empty() {
        return Ok(all);
    }
    Err(format!(
        "the object store was left out: other installations keep objects there, too ({}), and what they refer to is not \
         known here; give each its own prefix, or remove `installations/<id>` of one that is no more",
        others.join(", ")
    ))
}
