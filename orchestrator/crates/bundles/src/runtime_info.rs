//! What is to be told of a runtime.

use cloudbox_types::Language;
use jiff::civil::Date;

/// Whether a runtime can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Its toolchain is on this machine, or its bundle is made.
    Ready,
    /// It can be fetched.
    Installable,
    /// It can't be had here.
    Absent,
    /// It is being fetched, or its bundle is being made.
    Installing,
    /// The last installation failed.
    Failed,
}

impl State {
    /// The word of the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Installable => "installable",
            Self::Absent => "absent",
            Self::Installing => "installing",
            Self::Failed => "failed",
        }
    }
}

/// What is to be told of a runtime.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuntimeInfo {
    /// Such as `nodejs20`.
    pub name: String,
    /// The languages of source that it serves.
    pub languages: Vec<Language>,
    /// Such as `20`.
    pub version: String,
    /// Whether it can be used.
    pub state: State,
    /// What an installation is at, or why there is no runtime.
    pub detail: Option<String>,
    /// Whether it was installed by the service, and can be removed.
    pub is_installed: bool,
    /// The last day of support by its makers.
    pub end_of_life: Option<Date>,
    /// Whether it is the one for a function that names none.
    pub is_default: bool,
    /// The image that it is from, by its name when it was installed; none where it isn't from one.
    pub image: Option<String>,
    /// The whole version of what is here, such as `20.20.2`.
    pub toolchain: Option<String>,
}
