//! What is in the object store that all nodes share.

use cloudbox_artefacts::{ARTEFACTS, digest_of_object};
use cloudbox_storage::{Item, Kind, Object, PACKAGES, Remote, is_digest};
use cloudbox_store::References;

use super::{Fate, Look, Place, is_referenced};

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
    }
}

/// What is in the store, with its folder there; or a sentence why nothing of it can go.
async fn objects(remote: &Remote) -> Result<Vec<(&'static str, Item, Object)>, String> {
    let unusable = |error: cloudbox_storage::Error| format!("the object store was left out: {error}");
    let mut all = Vec::new();
    for (folder, kind) in [(ARTEFACTS, Kind::Artefact), (PACKAGES, Kind::Package)] {
        for object in remote.list(folder).await.map_err(unusable)? {
            let name = match kind {
                Kind::Artefact => digest_of_object(&object.name),
                _ => Some(object.name.as_str()).filter(|name| is_digest(name)),
            };
            // Something else lies beside them: it is not ours.
            let Some(name) = name.map(str::to_owned) else { continue };
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
