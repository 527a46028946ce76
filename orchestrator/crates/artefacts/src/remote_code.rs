//! Artefacts in the object store: sent when a version is registered, fetched by a node that has not got one.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cloudbox_archive::{Limits, Refused, pack, unpack};
use cloudbox_storage::{Error as StorageError, is_digest};
use cloudbox_types::Unsealed;
use tokio::runtime::Handle;

use crate::artefact::{digest_of, paths_of, set_final_mode};
use crate::code_store::CodeStore;
use crate::elsewhere::Elsewhere;
use crate::error::Error;

/// Where artefacts are in the object store.
pub const FOLDER: &str = "artefacts";

/// An artefact's key in the object store.
pub(crate) fn object_name(digest: &str) -> String {
    format!("{digest}.tar.gz")
}

/// The artefact that an object of the object store is; none for what is something else.
#[must_use]
pub fn digest_of_object(name: &str) -> Option<&str> {
    name.strip_suffix(".tar.gz").filter(|digest| is_digest(digest))
}

impl CodeStore {
    /// Sends an artefact to the object store, where there is one and has it not.
    ///
    /// # Errors
    /// It can't be read, or the object store can't be used.
    pub async fn send(self: &Arc<Self>, digest: &str) -> Result<(), Error> {
        let Some(elsewhere) = self.elsewhere() else { return Ok(()) };
        let name = object_name(digest);
        if elsewhere.remote.has(FOLDER, &name).await? {
            return Ok(());
        }
        let (store, folder) = (Arc::clone(self), self.folder().join(digest));
        let packing = tokio::task::spawn_blocking(move || {
            let staging = store.staging()?;
            let archive = staging.path().join("archive");
            let file = fs::File::create_new(&archive).map_err(Error::io("making", &archive))?;
            pack(&folder, &paths_of(&folder)?, std::io::BufWriter::new(file)).map_err(StorageError::from)?;
            Ok::<_, Error>(staging)
        });
        let staging =
            packing.await.unwrap_or_else(|panic| Err(Error::io("packing", digest)(panic.into())))?;
        Ok(elsewhere.remote.put(FOLDER, &name, &staging.path().join("archive")).await?)
    }

    /// Has an artefact here: as it is, or fetched and compared with its digest before it gets its name. Not for a
    /// thread that others wait for.
    pub(crate) fn have(self: &Arc<Self>, digest: &str) -> Result<(), Unsealed> {
        let Err(how) = self.check(digest) else { return Ok(()) };
        let Some(elsewhere) = self.elsewhere() else { return Err(Unsealed::Damaged(how)) };
        let fetched = Handle::current().block_on(async {
            let _turn = elsewhere.fetching.lock().await;
            if self.check(digest).is_ok() {
                return Ok(());
            }
            tracing::info!(digest, how, "fetching an artefact from the object store");
            self.fetch(elsewhere, digest).await
        });
        fetched.map_err(|error| match error {
            Error::Storage(StorageError::Unavailable) => {
                Unsealed::Absent("the object store that has the code can't be used".to_owned())
            }
            Error::Storage(StorageError::Missing { .. }) => Unsealed::Damaged(how),
            Error::Refused(why) => Unsealed::Damaged(why),
            other => {
                tracing::error!(digest, error = other.sentence(), "an artefact can't be fetched");
                Unsealed::Absent("its code can't be fetched from the object store".to_owned())
            }
        })
    }

    async fn fetch(self: &Arc<Self>, elsewhere: &Elsewhere, digest: &str) -> Result<(), Error> {
        let staging = self.staging()?;
        let archive = staging.path().join("archive");
        let limits = Limits::own(elsewhere.bounds.bytes, elsewhere.bounds.entries);
        let got = elsewhere.remote.get(FOLDER, &object_name(digest), &archive, limits.archive_bytes).await;
        got.map_err(|error| match error {
            StorageError::Damaged { .. } => {
                Error::Refused("what the object store has is too long".to_owned())
            }
            other => other.into(),
        })?;
        let (store, digest) = (Arc::clone(self), digest.to_owned());
        let taking =
            tokio::task::spawn_blocking(move || store.take(&archive, staging.path(), &limits, &digest));
        taking.await.unwrap_or_else(|panic| Err(Error::io("unpacking", "artefact")(panic.into())))
    }

    /// Unpacks what was fetched, and puts it in place if it is what it should be.
    fn take(&self, archive: &Path, staging: &Path, limits: &Limits, digest: &str) -> Result<(), Error> {
        let content = unpack(archive, staging, limits).map_err(|error| match error {
            // Cut short on the way: another try may well bring all of it.
            cloudbox_archive::Error::Refused(Refused::Broken { why }) if why.contains("too early") => {
                tracing::warn!(digest, why, "an artefact came cut short");
                Error::Storage(StorageError::Unavailable)
            }
            cloudbox_archive::Error::Refused(refused) => {
                tracing::error!(digest, %refused, "what the object store has is damaged");
                Error::Refused("what the object store has is damaged".to_owned())
            }
            other => StorageError::from(other).into(),
        })?;
        let files: Vec<PathBuf> = paths_of(&content.root)?;
        for file in &files {
            let path = content.root.join(file);
            set_final_mode(&path)?;
            let synced = fs::File::open(&path).and_then(|file| file.sync_all());
            synced.map_err(Error::io("writing", &path))?;
        }
        let found = digest_of(&content.root)?;
        if found != digest {
            tracing::error!(digest, found, "what the object store has is another artefact");
            return Err(Error::Refused("what the object store has has another SHA-256".to_owned()));
        }
        self.put(digest, content.folder)?;
        // It is a version's: nobody gives it up with a deployment.
        self.keep(digest);
        Ok(())
    }
}
