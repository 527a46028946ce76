//! The root that a version runs in: there before its first sandbox, and there again where somebody removed it.

use std::sync::Arc;

use cloudbox_bundles::Bundle;
use cloudbox_images::Origin;
use cloudbox_pool::{Lease, LeaseError, Target};
use cloudbox_sandbox::{Error, LaunchError, SandboxFault, SandboxFaultKind};
use cloudbox_types::{Version, with_causes};

use super::Dispatcher;
use super::target::{TARGET_WITHIN, TargetError};
use crate::table::Entry;

impl Dispatcher {
    /// The bundle that a version runs in, whose root the driver has. An image that is not on this machine is made.
    pub(super) async fn rooted(&self, version: &Version) -> Result<Arc<Bundle>, TargetError> {
        let (bundle, origin) = match &version.image {
            Some(image) => {
                let origin = Origin::Function { package: version.package.clone() };
                (self.catalogue.image_bundle(version.language, image).await?, origin)
            }
            None => (self.catalogue.bundle(&version.runtime).await?, Origin::Runtime),
        };
        match (self.driver.prepare(&bundle.run).await, &bundle.image) {
            (Err(Error::Image { .. }), Some(image)) => {
                let made = self.settings.images.make(image, origin, &bundle.run).await;
                made.map_err(TargetError::Image)?;
            }
            (prepared, _) => prepared?,
        }
        Ok(bundle)
    }

    /// A sandbox of the version. Where the image that it is made from was removed from the daemon, and the driver has nothing
    /// to make it from, the image comes first, once.
    pub(super) async fn lease(&self, entry: &Entry, target: &Arc<Target>) -> Result<Lease, LeaseError> {
        match self.pool.lease(target).await {
            Err(error) if is_without_image(&error) => {
                // Boxed, since it is rare, and every call would have room for it.
                Box::pin(self.have_image_again(error, entry)).await?;
                self.pool.lease(target).await
            }
            leased => leased,
        }
    }

    async fn have_image_again(&self, error: LeaseError, entry: &Entry) -> Result<(), LeaseError> {
        let Some(version) = &entry.version else { return Err(error) };
        let function = entry.function.id;
        tracing::warn!(function.id = %function, "the image of a version was removed: it is made again");
        let absent = |why: String| LeaseError::Launch(LaunchError::Absent(why));
        match tokio::time::timeout(TARGET_WITHIN, self.rooted(version)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(TargetError::Image(why))) => Err(absent(with_causes(&*why))),
            Ok(Err(other)) => {
                tracing::error!(function.id = %function, error = &other as &dyn std::error::Error,
                    "the image of a version can't be made again");
                Err(error)
            }
            Err(_) => Err(absent("its image is being made on this machine".to_owned())),
        }
    }
}

/// Whether a start failed for want of the image that sandboxes are made from.
const fn is_without_image(error: &LeaseError) -> bool {
    let LeaseError::Launch(LaunchError::Fault(SandboxFault { kind: SandboxFaultKind::Host(error), .. })) =
        error
    else {
        return false;
    };
    matches!(error, Error::Image { .. })
}
