//! The root that a version runs in: there before its first sandbox, and there again where somebody removed it.

use std::fmt;
use std::sync::Arc;

use cloudbox_bundles::{Bundle, Catalogue};
use cloudbox_images::{AbsentImages, Origin};
use cloudbox_pool::{Restore, Restoring};
use cloudbox_sandbox::{Error, LaunchError, SandboxDriver};
use cloudbox_types::{FunctionId, Version, with_causes};

use super::target::{TARGET_WITHIN, TargetError};

/// What roots are made from and with.
#[derive(Clone)]
pub(super) struct Roots {
    pub driver: Arc<dyn SandboxDriver>,
    pub catalogue: Arc<Catalogue>,
    pub images: Arc<AbsentImages>,
}

impl Roots {
    /// The bundle that a version runs in, whose root the driver has. An image that is not on this machine is made.
    pub async fn have(&self, version: &Version) -> Result<Arc<Bundle>, TargetError> {
        let (bundle, origin) = match &version.image {
            Some(image) => {
                let origin = Origin::Function { package: version.package.clone() };
                (self.catalogue.image_bundle(version.language, image).await?, origin)
            }
            None => (self.catalogue.bundle(&version.runtime).await?, Origin::Runtime),
        };
        match (self.driver.prepare(&bundle.run).await, &bundle.image) {
            (Err(Error::Image { .. }), Some(image)) => {
                self.images.make(image, origin, &bundle.run).await.map_err(TargetError::Image)?;
            }
            (prepared, _) => prepared?,
        }
        Ok(bundle)
    }

    /// What the pool's starts have the version's root again by.
    pub fn restore(&self, function: FunctionId, version: &Version) -> Arc<dyn Restore> {
        Arc::new(Root { roots: self.clone(), function, version: version.clone() })
    }
}

/// The root of one version.
struct Root {
    roots: Roots,
    function: FunctionId,
    version: Version,
}

impl fmt::Debug for Root {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Root({}, {})", self.function, self.version.number)
    }
}

impl Restore for Root {
    fn restore(&self) -> Restoring<'_> {
        Box::pin(async move {
            tracing::warn!(function.id = %self.function, "the image of a version was removed: it is made again");
            match tokio::time::timeout(TARGET_WITHIN, self.roots.have(&self.version)).await {
                Ok(Ok(_)) => Ok(()),
                Ok(Err(TargetError::Image(why))) => Err(LaunchError::Absent(with_causes(&*why))),
                Ok(Err(other)) => {
                    tracing::error!(function.id = %self.function, error = &other as &dyn std::error::Error,
                        "the image of a version can't be made again");
                    Err(Error::Setup {
                        step: "making its image again".to_owned(),
                        message: other.to_string(),
                    }
                    .into())
                }
                Err(_) => Err(LaunchError::Absent("its image is being made on this machine".to_owned())),
            }
        })
    }
}
