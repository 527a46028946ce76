//! The layers of the isolation, as a driver found them when it was opened.

/// One layer of the isolation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// Such as `user_namespace`, `cgroup_memory`, `seccomp`.
    pub name: &'static str,
    /// Whether a driver without it refuses to work.
    pub is_mandatory: bool,
    /// Whether it is there.
    pub state: LayerState,
    /// What was seen of it; where it is missing, why, and what to do about it.
    pub detail: String,
}

/// Whether a layer is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LayerState {
    /// It holds.
    Active,
    /// It doesn't hold, or can't be had here.
    Missing,
}

impl Layer {
    /// A layer without which a driver refuses to work.
    #[must_use]
    pub fn mandatory(name: &'static str, is_active: bool, detail: impl Into<String>) -> Self {
        let state = if is_active { LayerState::Active } else { LayerState::Missing };
        Self { name, is_mandatory: true, state, detail: detail.into() }
    }

    /// A layer that is listed, and that a driver works without.
    #[must_use]
    pub fn optional(name: &'static str, is_active: bool, detail: impl Into<String>) -> Self {
        Self { is_mandatory: false, ..Self::mandatory(name, is_active, detail) }
    }

    /// Whether it holds.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.state == LayerState::Active
    }

    /// Whether it is missing though it is mandatory.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        self.is_mandatory && !self.is_active()
    }
}
