//! Code that comes with a call and belongs to no stored function. It is built once and kept for a while under the hash of
//! everything that its sandbox depends on, so that the next call of the same code is a warm one. It runs as every function
//! does: what is kept is an [`Entry`] for the dispatcher.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use cloudbox_deploy::{Built, Deployer, Refused};
use cloudbox_pool::Pool;
use cloudbox_types::function::{FunctionSettings, FunctionStatus};
use cloudbox_types::{Function, FunctionId, ProjectId};
use jiff::Timestamp;
use parking_lot::Mutex;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tokio::sync::OnceCell;
use tokio::time::{Instant, interval};

use crate::table::Entry;

/// How long code is kept after its last call.
const KEPT_FOR: Duration = Duration::from_secs(600);
/// How many codes are kept; beyond, those go first whose last call is the longest ago.
const MAX_KEPT: usize = 64;
/// How often old ones are looked for.
const LOOK_EVERY: Duration = Duration::from_secs(60);

type Key = [u8; 32];

/// The codes that are kept.
pub struct Inline {
    deployer: Arc<Deployer>,
    pool: Arc<Pool>,
    kept: Mutex<HashMap<Key, Arc<Kept>>>,
    next_id: AtomicI64,
}

struct Kept {
    id: FunctionId,
    made: OnceCell<Made>,
    used_at: Mutex<Instant>,
}

struct Made {
    entry: Arc<Entry>,
    /// Keeps its artefact.
    _built: Built,
}

/// Whether somebody builds it, has it, or runs it.
fn is_in_use(kept: &Arc<Kept>) -> bool {
    Arc::strong_count(kept) > 1 || kept.made.get().is_some_and(|made| Arc::strong_count(&made.entry) > 1)
}

impl Inline {
    /// Nothing kept yet.
    #[must_use]
    pub fn new(deployer: Arc<Deployer>, pool: Arc<Pool>) -> Self {
        Self { deployer, pool, kept: Mutex::default(), next_id: AtomicI64::new(FunctionId::FIRST_INLINE.0) }
    }

    /// The entry of a code with its settings; built now, where none is kept.
    ///
    /// # Errors
    /// It can't be built.
    pub async fn entry(&self, project: ProjectId, settings: FunctionSettings) -> Result<Arc<Entry>, Refused> {
        let kept = self.find(key_of(project, &settings));
        let made = kept.made.get_or_try_init(|| async {
            let function = function(kept.id, project, settings);
            let built = self.deployer.build_inline(function.clone()).await?;
            let entry = Arc::new(Entry::new(function, Some(built.version.clone())));
            Ok(Made { entry, _built: built })
        });
        Ok(Arc::clone(&made.await?.entry))
    }

    /// Looks at a code as the first stage of a deployment does.
    ///
    /// # Errors
    /// What is wrong with it.
    pub async fn check(&self, project: ProjectId, settings: FunctionSettings) -> Result<(), Refused> {
        self.deployer.check_inline(function(FunctionId::FIRST_INLINE, project, settings)).await
    }

    /// Gives up what was not called for long, as long as it is polled.
    pub async fn tend(&self) {
        let mut ticks = interval(LOOK_EVERY);
        loop {
            ticks.tick().await;
            self.sweep(KEPT_FOR, MAX_KEPT);
        }
    }

    /// Gives everything up.
    pub fn clear(&self) {
        let all: Vec<_> = self.kept.lock().drain().map(|(_, kept)| kept).collect();
        all.iter().for_each(|kept| self.give_up(kept));
    }

    fn find(&self, key: Key) -> Arc<Kept> {
        self.sweep(KEPT_FOR, MAX_KEPT - 1);
        let mut all = self.kept.lock();
        let kept = all.entry(key).or_insert_with(|| {
            let id = FunctionId(self.next_id.fetch_add(1, Ordering::Relaxed));
            Arc::new(Kept { id, made: OnceCell::new(), used_at: Mutex::new(Instant::now()) })
        });
        *kept.used_at.lock() = Instant::now();
        Arc::clone(kept)
    }

    fn sweep(&self, older_than: Duration, most: usize) {
        let mut all = self.kept.lock();
        let mut idle: Vec<_> = all
            .iter()
            .filter(|(_, kept)| !is_in_use(kept))
            .map(|(key, kept)| (*kept.used_at.lock(), *key))
            .collect();
        idle.sort();
        let too_many = all.len().saturating_sub(most);
        for (index, (used_at, key)) in idle.into_iter().enumerate() {
            if (index < too_many || used_at.elapsed() > older_than)
                && let Some(kept) = all.remove(&key)
            {
                self.give_up(&kept);
            }
        }
    }

    fn give_up(&self, kept: &Kept) {
        self.pool.retire(kept.id, &[]);
        if let Some(version) = kept.made.get().and_then(|made| made.entry.version.as_ref()) {
            self.deployer.discard(version);
        }
    }
}

fn function(id: FunctionId, project: ProjectId, settings: FunctionSettings) -> Function {
    let now = Timestamp::now();
    Function {
        id,
        project_id: project,
        settings,
        // Code that comes with a call brings what it is to know.
        shared: BTreeMap::new(),
        revision: 1,
        status: FunctionStatus::Deployed,
        active_version: Some(1),
        aliases: BTreeMap::new(),
        generation: 0,
        resolved_runtime: None,
        build_logs: String::new(),
        invocation_count: 0,
        created_at: now,
        updated_at: now,
    }
}

/// The hash of all that a sandbox depends on.
fn key_of(project: ProjectId, settings: &FunctionSettings) -> Key {
    let environment: BTreeMap<_, _> =
        settings.environment.iter().map(|(name, value)| (name, value.expose())).collect();
    let all = json!([
        project,
        settings.code,
        settings.language,
        settings.runtime,
        settings.entry_point,
        settings.handler_style,
        settings.isolation,
        settings.limits,
        environment,
        settings.dependencies,
        settings.egress,
    ]);
    Sha256::digest(all.to_string().as_bytes()).into()
}
