//! The functions in memory: what a call looks up, with no database in between.
//!
//! Swapped on change: readers never wait, and a change copies one project's map. What is not here is looked up in
//! the store once ([`Table::find`]).

mod entry;
mod pick;
mod routes;
mod watch;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arc_swap::ArcSwap;
use cloudbox_store::Store;
use cloudbox_types::{Function, FunctionId, IdMap, Name, Page, PageRequest, Project, ProjectId, Version};
use parking_lot::Mutex;

pub use entry::Entry;
pub use pick::Watches;
pub use routes::{KeySource, Wanted, place_of};
pub use watch::Failed;

/// Functions that are read at once when the service starts.
const LOADED_AT_ONCE: u32 = 1000;

/// A project with its functions.
#[derive(Clone, Debug)]
struct Tenant {
    project: Arc<Project>,
    by_id: IdMap<FunctionId, Arc<Entry>>,
    ids: HashMap<Name, FunctionId>,
}

#[derive(Clone, Debug, Default)]
struct Maps {
    tenants: IdMap<ProjectId, Arc<Tenant>>,
    slugs: HashMap<Name, ProjectId>,
    owners: IdMap<FunctionId, ProjectId>,
    /// Deleted functions: one that was read before its deletion must not come back. Ids are never used again.
    deleted: HashSet<FunctionId>,
}

/// The table.
pub struct Table {
    maps: ArcSwap<Maps>,
    /// One change at a time; readers don't take it.
    changing: Mutex<()>,
    store: Arc<dyn Store>,
    /// Splits that are watched.
    watches: Watches,
}

impl Table {
    /// A table of every function that has an active version.
    ///
    /// # Errors
    /// The store's.
    pub async fn load(store: Arc<dyn Store>) -> Result<Self, cloudbox_store::Error> {
        let table =
            Self { maps: ArcSwap::default(), changing: Mutex::new(()), store, watches: Watches::default() };
        let mut page = PageRequest { limit: LOADED_AT_ONCE, after: None };
        loop {
            let Page { items, next } = table.store.deployed(page).await?;
            for entry in table.put_loaded(items).await? {
                table.fetch_named(&entry).await?;
            }
            page.after = next;
            if next.is_none() {
                return Ok(table);
            }
        }
    }

    /// Notes many functions, with their projects, as one change: each change copies a project's map.
    async fn put_loaded(
        &self,
        loaded: Vec<(Function, Version)>,
    ) -> Result<Vec<Arc<Entry>>, cloudbox_store::Error> {
        for project in loaded.iter().map(|(function, _)| function.project_id).collect::<HashSet<_>>() {
            let is_known = self.maps.load().tenants.contains_key(&project);
            if !is_known && let Some(project) = self.store.project(project).await? {
                self.put_project(project);
            }
        }
        Ok(self.change(|maps| {
            let put = |(function, version)| maps.put(function, Some(version), &self.watches);
            loaded.into_iter().filter_map(put).collect()
        }))
    }

    /// A function by its project's id or slug and its own id or name; none where there is none.
    ///
    /// # Errors
    /// The store's, where the function is not in memory.
    pub async fn find(
        &self,
        project: &str,
        function: &str,
    ) -> Result<Option<(Arc<Project>, Arc<Entry>)>, cloudbox_store::Error> {
        if let Some(found) = self.look_up(project, function) {
            return Ok(Some(found));
        }
        let Some(project) = self.project(project).await? else { return Ok(None) };
        let found = match function.parse() {
            Ok(id) => self.store.function(FunctionId(id)).await?,
            Err(_) => self.store.function_by_name(project.id, function).await?,
        };
        let Some(found) = found.filter(|function| function.project_id == project.id) else {
            return Ok(None);
        };
        let version = match found.active_version {
            Some(number) => self.store.version(found.id, number).await?,
            None => None,
        };
        self.put_project((*project).clone());
        let entry = self.put(found, version);
        Ok(entry.map(|entry| (project, entry)))
    }

    /// A function by its id alone; none where there is none.
    ///
    /// # Errors
    /// The store's, where the function is not in memory.
    pub async fn find_by_id(&self, id: FunctionId) -> Result<Option<Arc<Entry>>, cloudbox_store::Error> {
        let known = self.maps.load().owners.get(&id).copied();
        let project = match known {
            Some(project) => project,
            None => match self.store.function(id).await? {
                Some(function) => function.project_id,
                None => return Ok(None),
            },
        };
        let found = self.find(&project.to_string(), &id.to_string()).await?;
        Ok(found.map(|(_, entry)| entry))
    }

    /// A function as it is in memory.
    #[must_use]
    pub fn known(&self, id: FunctionId) -> Option<Arc<Entry>> {
        let maps = self.maps.load();
        let tenant = maps.tenants.get(maps.owners.get(&id)?)?;
        tenant.by_id.get(&id).cloned()
    }

    /// A project by id or slug.
    ///
    /// # Errors
    /// The store's, where the project is not in memory.
    pub async fn project(&self, project: &str) -> Result<Option<Arc<Project>>, cloudbox_store::Error> {
        if let Some(tenant) = self.maps.load().tenant(project) {
            return Ok(Some(Arc::clone(&tenant.project)));
        }
        let found = match project.parse() {
            Ok(id) => self.store.project(ProjectId(id)).await?,
            Err(_) => self.store.project_by_slug(project).await?,
        };
        Ok(found.map(Arc::new))
    }

    fn look_up(&self, project: &str, function: &str) -> Option<(Arc<Project>, Arc<Entry>)> {
        let maps = self.maps.load();
        let tenant = maps.tenant(project)?;
        let id = match function.parse() {
            Ok(id) => FunctionId(id),
            Err(_) => *tenant.ids.get(function)?,
        };
        let entry = tenant.by_id.get(&id)?;
        Some((Arc::clone(&tenant.project), Arc::clone(entry)))
    }

    /// Notes a project, new or changed.
    pub fn put_project(&self, project: Project) {
        self.change(|maps| {
            maps.slugs.retain(|_, id| *id != project.id);
            maps.slugs.insert(project.slug.clone(), project.id);
            let old = maps.tenants.remove(&project.id);
            let (by_id, ids) = old.map(|old| (old.by_id.clone(), old.ids.clone())).unwrap_or_default();
            maps.tenants.insert(project.id, Arc::new(Tenant { project: Arc::new(project), by_id, ids }));
        });
    }

    /// Notes a function, new or changed. One that is older than what is here changes nothing.
    pub fn put(&self, function: Function, version: Option<Version>) -> Option<Arc<Entry>> {
        self.change(|maps| maps.put(function, version, &self.watches))
    }

    /// Forgets a function.
    pub fn remove(&self, project: ProjectId, function: FunctionId) {
        self.change(|maps| {
            maps.deleted.insert(function);
            maps.owners.remove(&function);
            if let Some(tenant) = maps.tenants.get_mut(&project) {
                let tenant = Arc::make_mut(tenant);
                tenant.by_id.remove(&function);
                tenant.ids.retain(|_, id| *id != function);
            }
        });
    }

    /// Forgets a project; the functions that were known of it.
    pub fn remove_project(&self, project: ProjectId) -> Vec<FunctionId> {
        self.change(|maps| {
            maps.slugs.retain(|_, id| *id != project);
            maps.owners.retain(|_, id| *id != project);
            let tenant = maps.tenants.remove(&project);
            let functions: Vec<_> = tenant.iter().flat_map(|tenant| tenant.by_id.keys().copied()).collect();
            maps.deleted.extend(&functions);
            functions
        })
    }

    /// Every project in memory.
    pub fn projects(&self) -> Vec<Arc<Project>> {
        self.maps.load().tenants.values().map(|tenant| Arc::clone(&tenant.project)).collect()
    }

    /// Every function in memory.
    pub fn entries(&self) -> Vec<Arc<Entry>> {
        let maps = self.maps.load();
        maps.tenants.values().flat_map(|tenant| tenant.by_id.values().cloned()).collect()
    }

    fn change<T>(&self, change: impl FnOnce(&mut Maps) -> T) -> T {
        let _turn = self.changing.lock();
        let mut maps = (**self.maps.load()).clone();
        let result = change(&mut maps);
        self.maps.store(Arc::new(maps));
        result
    }
}

impl Maps {
    fn put(
        &mut self,
        mut function: Function,
        version: Option<Version>,
        watches: &Watches,
    ) -> Option<Arc<Entry>> {
        if self.deleted.contains(&function.id) {
            return None;
        }
        let tenant = Arc::make_mut(self.tenants.get_mut(&function.project_id)?);
        self.owners.insert(function.id, function.project_id);
        let known = tenant.by_id.get(&function.id).cloned();
        if let Some(known) = &known {
            if is_older(&function, &known.function) {
                return Some(Arc::clone(known));
            }
            tenant.ids.remove(&known.function.settings.name);
        }
        tenant.ids.insert(function.settings.name.clone(), function.id);
        // What no call looks at, and is most of a function.
        function.settings.code = None;
        function.build_logs = String::new();
        let entry = Arc::new(Entry::after(function, version, known.as_deref(), watches));
        tenant.by_id.insert(entry.function.id, Arc::clone(&entry));
        Some(entry)
    }

    fn tenant(&self, project: &str) -> Option<&Arc<Tenant>> {
        let id = match project.parse() {
            Ok(id) => ProjectId(id),
            Err(_) => *self.slugs.get(project)?,
        };
        self.tenants.get(&id)
    }
}

/// Two changes may be noted in the other order than they were made in.
const fn is_older(new: &Function, known: &Function) -> bool {
    new.generation < known.generation
}

#[cfg(test)]
mod tests;
