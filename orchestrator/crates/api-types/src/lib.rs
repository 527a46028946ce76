//! The bodies of the HTTP API's requests and answers, for the service and its clients.
//!
//! Times are RFC 3339 UTC, durations of executions milliseconds, `timeout` seconds, `memory` MB (2^20 bytes).

pub mod dashboard;
pub mod deployment;
pub mod edge_function;
pub mod error;
pub mod execution;
pub mod function;
pub mod function_service;
pub mod health;
pub mod inline;
pub mod list;
pub mod package;
pub mod project;
pub mod runtime;
pub mod scaling;
pub mod secret;
pub mod storage;
pub mod version;

pub use deployment::{DeployStarted, Deployed, Deployment, LogEvent, Queued, StageReport};
pub use error::{ErrorBody, ErrorDetail};
pub use execution::{CallTiming, EgressAttempt, ExecuteAnswer, ExecuteRequest, Execution, HostCallReport};
pub use function::{Function, FunctionPatch, ImageBuild, NewFunction};
pub use health::{Health, Live, MemoryUse, Ready, SandboxHealth, SandboxLayer};
pub use inline::{Info, InlineAnswer, InlineCode, InlineError, InlineLog, InlineRequest};
pub use list::List;
pub use package::{Package, UploadedVersion};
pub use project::{NewProject, Project, ProjectPatch};
pub use runtime::{InstallRuntime, Runtime, RuntimeList};
pub use scaling::{InstanceCounts, Scaling, ScalingPatch, VersionInstances};
pub use secret::{NewSecret, ProjectSecret, SecretRotation};
pub use storage::{CollectGarbage, Garbage, GarbageItem};
