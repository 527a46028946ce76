//! A function with one of its versions, as calls see it.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use cloudbox_pool::Target;
use cloudbox_types::{Function, FunctionId, Name, Split, Version};
use metrics::Counter;
use tokio::sync::OnceCell;

use super::watch::Watch;

/// A function with the version that a call gets. The table's own is that of the active version; the others of the
/// function hang on it. Replaced as a whole when its settings, its active version or its aliases change.
#[derive(Debug)]
pub struct Entry {
    /// Its settings; in the table without its source and its build logs.
    pub function: Arc<Function>,
    /// The version; none before the first deploy.
    pub version: Option<Version>,
    /// What the pool needs to bring the version up; made at the first call, since it may take a bundle. All entries of
    /// a version under one revision and one scale share it.
    pub(crate) target: Arc<OnceCell<Arc<Target>>>,
    /// Counts how its calls end, where a split depends on it.
    pub(crate) watch: Option<Arc<Watch>>,
    /// The other versions.
    pub(super) routes: Routes,
    /// Counts calls that went well: looked up by its labels once.
    pub(super) succeeded: OnceLock<Counter>,
}

/// The other versions.
#[derive(Debug, Default)]
pub(super) struct Routes {
    /// Of calls that name none; none for a function without a split of its own.
    pub(super) active: Option<Fork>,
    pub(super) aliases: BTreeMap<Name, Route>,
    /// Versions that were called until now.
    pub(super) known: ArcSwap<HashMap<i64, Arc<Entry>>>,
}

/// Where an alias leads.
#[derive(Debug)]
pub(super) struct Route {
    pub(super) version: i64,
    pub(super) fork: Option<Fork>,
}

/// Where some calls go another way.
#[derive(Debug)]
pub(super) struct Fork {
    pub(super) function: FunctionId,
    pub(super) split: Split,
    /// Calls without a key, so far.
    pub(super) count: AtomicU64,
    pub(super) watch: Option<Arc<Watch>>,
    /// The entry with the watch.
    pub(super) watched: OnceLock<Arc<Entry>>,
}

impl Entry {
    /// An entry whose target is still to be made, of a function without other versions.
    #[must_use]
    pub fn new(function: impl Into<Arc<Function>>, version: Option<Version>) -> Self {
        Self {
            function: function.into(),
            version,
            target: Arc::default(),
            watch: None,
            routes: Routes::default(),
            succeeded: OnceLock::new(),
        }
    }

    /// Counts a call of the function by its outcome: `ok`, or the code of its error.
    pub fn count(&self, outcome: &'static str) {
        let settings = &self.function.settings;
        let counter = || {
            metrics::counter!("cloudbox_invocations_total", "project" => self.function.project_id.to_string(),
                "function" => settings.name.to_string(), "outcome" => outcome)
        };
        match outcome {
            "ok" => self.succeeded.get_or_init(counter).increment(1),
            _ => counter().increment(1),
        }
    }

    /// The version's number; none before the first deploy.
    #[must_use]
    pub fn number(&self) -> Option<i64> {
        self.version.as_ref().map(|version| version.number)
    }

    /// The table's entry of a function that may have been known before: what was made for the same version and
    /// revision, and what was counted of the same split, stays.
    pub(super) fn after(
        function: Function,
        version: Option<Version>,
        known: Option<&Self>,
        watches: &super::Watches,
    ) -> Self {
        let function = Arc::new(function);
        let mut made =
            Self { routes: Routes::new(&function, known, watches), ..Self::new(function, version) };
        let Some(known) = known else { return made };
        if made.has_targets_of(known)
            && let Some(same) = made.number().and_then(|number| known.of_number(number))
        {
            made.target = Arc::clone(&same.target);
        }
        made.routes.take_over(&made, known);
        made
    }

    /// Whether what the pool was told of the function's versions is still right.
    pub(super) fn has_targets_of(&self, known: &Self) -> bool {
        let (now, before) = (&self.function, &known.function);
        now.revision == before.revision && now.settings.scale() == before.settings.scale()
    }

    /// The same function with another version.
    pub(super) fn sibling(&self, version: Version) -> Self {
        Self::new(Arc::clone(&self.function), Some(version))
    }

    /// The same version, its calls counted.
    pub(super) fn watched(&self, watch: Arc<Watch>) -> Self {
        Self {
            function: Arc::clone(&self.function),
            version: self.version.clone(),
            target: Arc::clone(&self.target),
            watch: Some(watch),
            routes: Routes::default(),
            succeeded: OnceLock::new(),
        }
    }
}
