//! What a driver's self-test asks of the init in its other role, and what that answers: see [`Question`] and [`Finding`].
//!
//! The driver starts `cloudbox-init probe QUESTION` as the program of a throw-away sandbox, confined like every program.
//! It tries each thing that code must not be able to do, and prints a line of JSON for each layer.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The probe's word on the command line; the question follows as JSON.
pub const WORD: &str = "probe";

/// The file in `/workspace` that is the probe's code.
pub const CODE: &str = "code";

/// What the probe can't know by itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// The service's namespaces, such as `net` to `net:[4026531833]`: those inside must be others.
    pub namespaces: BTreeMap<String, String>,
    /// A file of the host that may not be there inside.
    pub hidden: String,
    /// The kernel's version of Landlock; 0 where it has none.
    pub landlock_abi: u32,
    /// Bytes of the largest file.
    pub max_file_bytes: u64,
    /// Bytes of `/tmp`.
    pub tmp_bytes: u64,
    /// Processes of the sandbox.
    pub pids: u32,
    /// Bytes of its memory.
    pub memory_bytes: u64,
}

/// One layer, as it was found from inside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Such as `no_new_privs`.
    pub name: String,
    /// Whether it holds.
    pub is_active: bool,
    /// What was seen.
    pub detail: String,
}
