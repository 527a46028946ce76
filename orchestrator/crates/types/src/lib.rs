//! The domain's vocabulary: ids, names, functions, versions, limits, records and error codes.
//!
//! Imports nothing of the workspace; every other crate may import it.

pub mod alias;
pub mod causes;
pub mod egress;
pub mod error_code;
pub mod function;
pub mod id;
pub mod image;
pub mod isolation;
pub mod json;
pub mod language;
pub mod limits;
pub mod name;
pub mod page;
pub mod record;
pub mod seal;
pub mod secret;
pub mod timing;
pub mod version;

pub use alias::{Activation, Alias, Canary, Cause, RolledBack, Split, Sticky, Switch};
pub use causes::with_causes;
pub use egress::{Attempt, AttemptOutcome, Attempts, EgressRule};
pub use error_code::ErrorCode;
pub use function::{Function, FunctionStatus, Project, Scale};
pub use id::{DeploymentId, FunctionId, IdMap, InvocationId, ProjectId};
pub use image::{Image, ImageBuild, ImageSource};
pub use isolation::{HandlerStyle, Isolation};
pub use language::Language;
pub use limits::Limits;
pub use name::{InvalidName, Name};
pub use page::{Page, PageRequest};
pub use record::{HostCall, Record, RecordStatus, Trigger};
pub use seal::{Seal, Unsealed};
pub use secret::Secret;
pub use timing::Timing;
pub use version::{Deployment, DeploymentStatus, Stage, StageReport, StageStatus, Version};
