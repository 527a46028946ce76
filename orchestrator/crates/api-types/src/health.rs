//! How the service is.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Answer of `/health`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Health {
    /// `ok`, `warning` or `unhealthy`.
    #[schema(example = "ok")]
    pub status: String,
    /// `healthy`, `warning` or `unhealthy`: the same, in another habit.
    #[schema(example = "healthy")]
    pub health: String,
    /// The service's version.
    pub version: String,
    /// Seconds since the start.
    pub uptime: f64,
    /// Calls ever kept count of.
    #[serde(rename = "totalInvocations")]
    pub total_invocations: i64,
    /// Of which succeeded.
    #[serde(rename = "successfulInvocations")]
    pub successful_invocations: i64,
    /// Of which failed.
    #[serde(rename = "failedInvocations")]
    pub failed_invocations: i64,
    /// The host's memory and the service's.
    pub memory: MemoryUse,
    /// The host's load over 1, 5 and 15 minutes.
    pub load: [f64; 3],
    /// What isolates functions here.
    pub sandbox: SandboxHealth,
    /// What is wrong, in sentences; empty when all is well.
    pub warnings: Vec<String>,
}

/// Memory, in bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MemoryUse {
    /// The service's own resident memory.
    pub rss: u64,
    /// The host's, all of it.
    pub total: u64,
    /// The host's, as far as programs could still get it.
    pub available: u64,
}

/// What isolates functions here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SandboxHealth {
    /// `docker` or `native`.
    #[schema(example = "docker")]
    pub driver: String,
    /// Layer by layer.
    pub layers: Vec<SandboxLayer>,
}

/// One layer of isolation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SandboxLayer {
    /// Such as `seccomp`.
    pub name: String,
    /// Whether the service refuses to start without it, unless a weak sandbox was allowed.
    pub is_mandatory: bool,
    /// Whether it is in force.
    pub is_active: bool,
    /// What was seen of it; where it is not in force, why, and what to do about it.
    pub detail: String,
}

/// Answer of `/health/live`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Live {
    /// `ok`.
    #[schema(example = "ok")]
    pub status: String,
}

/// Answer of `/health/ready`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Ready {
    /// `ready`, or `not_ready` with status 503.
    #[schema(example = "ready")]
    pub status: String,
    /// Why it is not ready; empty when it is.
    pub reasons: Vec<String>,
}
