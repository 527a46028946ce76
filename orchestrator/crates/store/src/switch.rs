//! Changes of which versions calls get. Each takes the function's row first and counts its generation up.

use std::collections::BTreeMap;

use cloudbox_database::{Query, Row, Transaction};
use cloudbox_types::alias::ACTIVE;
use cloudbox_types::{Alias, Cause, Function, FunctionId, Name, RolledBack, Split, Switch, Version};
use jiff::Timestamp;

use crate::error::Error;
use crate::rows::Read as _;
use crate::sql_store::{SqlStore, committed};
use crate::versions;

/// Aliases of one function.
const MAX_ALIASES: usize = 32;

const HOLD: &str = "UPDATE functions SET generation = generation + 1 WHERE id = $1 RETURNING *";

const PUT: &str = "UPDATE functions SET active_version = $2, resolved_runtime = $3, aliases = $4, updated_at = $5 \
     WHERE id = $1 RETURNING *";

/// The present activation is the parent of the new one; after a rollback it is the one that was rolled back to.
const ACTIVATED: &str = "INSERT INTO activations (function_id, version, parent_id, cause, author, created_at) \
     VALUES ($1, $2, $3, $4, $5, $6)";

pub(crate) const PRESENT: &str =
    "SELECT id, version, parent_id FROM activations WHERE function_id = $1 ORDER BY id DESC LIMIT 1";

const BY_ID: &str = "SELECT id, version, parent_id FROM activations WHERE id = $1";

/// A change while it is made: the function's row is held.
struct Change<'t> {
    open: &'t mut Transaction,
    function: Function,
    author: &'t str,
    now: Timestamp,
}

/// One line of the activations.
struct Step {
    id: i64,
    version: i64,
    parent: Option<i64>,
}

fn step(row: &Row) -> Result<Step, Error> {
    Ok(Step { id: row.get("id")?, version: row.get("version")?, parent: row.get("parent_id")? })
}

fn refused<T>(why: String) -> Result<T, Error> {
    Err(Error::Refused { why })
}

impl SqlStore {
    pub(crate) async fn make_switch(
        &self,
        function: FunctionId,
        switch: &Switch,
        author: &str,
    ) -> Result<(Function, Option<Version>), Error> {
        let mut open = self.database.begin().await?;
        let row = open.row(Query::new(HOLD).bind(function.0)).await?;
        let function = row.ok_or(Error::Missing { what: "function" })?.function(&self.key)?;
        let mut change = Change { open: &mut open, function, author, now: Timestamp::now() };
        change.make(switch).await?;
        let Change { function, now, .. } = change;
        let query = Query::new(PUT)
            .bind(function.id.0)
            .bind(function.active_version)
            .bind(function.resolved_runtime.as_deref())
            .bind(serde_json::json!(function.aliases).to_string())
            .bind(now.as_millisecond());
        let row = open.row(query).await?.ok_or(sqlx::Error::RowNotFound)?;
        let function = row.function(&self.key)?;
        let active = match function.active_version {
            Some(number) => version(&mut open, function.id, number).await?,
            None => None,
        };
        committed(open, (function, active)).await
    }
}

/// Notes that a version became the active one.
pub(crate) async fn note_activation(
    open: &mut Transaction,
    function: FunctionId,
    version: i64,
    author: &str,
) -> Result<(), Error> {
    let present = present(open, function).await?.map(|step| step.id);
    activated(open, (function, version), present, (Cause::Deploy, author)).await
}

async fn activated(
    open: &mut Transaction,
    (function, version): (FunctionId, i64),
    parent: Option<i64>,
    (cause, author): (Cause, &str),
) -> Result<(), Error> {
    let query = Query::new(ACTIVATED)
        .bind(function.0)
        .bind(version)
        .bind(parent)
        .bind(cause.as_str())
        .bind(author)
        .bind(Timestamp::now().as_millisecond());
    open.execute(query).await?;
    Ok(())
}

async fn present(open: &mut Transaction, function: FunctionId) -> Result<Option<Step>, Error> {
    open.row(Query::new(PRESENT).bind(function.0)).await?.as_ref().map(step).transpose()
}

async fn version(
    open: &mut Transaction,
    function: FunctionId,
    number: i64,
) -> Result<Option<Version>, Error> {
    let query = Query::new(versions::ONE).bind(function.0).bind(number);
    open.row(query).await?.as_ref().map(Row::version).transpose()
}

impl Change<'_> {
    async fn make(&mut self, switch: &Switch) -> Result<(), Error> {
        match switch {
            Switch::Activate(number) => self.activate(*number).await,
            Switch::RollBack => self.roll_back().await,
            Switch::Set { alias, version, split } => self.set(alias, *version, split.clone()).await,
            Switch::Unset(alias) => self.unset(alias),
            Switch::Delete(number) => self.delete(*number).await,
            Switch::EndSplit { alias, split, note } => {
                self.end_split(alias, split, note);
                Ok(())
            }
        }
    }

    async fn existing(&mut self, number: i64) -> Result<Version, Error> {
        let found = version(self.open, self.function.id, number).await?;
        found.ok_or(Error::Missing { what: "version" })
    }

    /// Whatever calls without an alias were split into ends with it.
    async fn activate(&mut self, number: i64) -> Result<(), Error> {
        let version = self.existing(number).await?;
        self.function.aliases.remove(ACTIVE);
        if self.function.active_version == Some(number) {
            return Ok(());
        }
        let id = self.function.id;
        let parent = present(self.open, id).await?.map(|step| step.id);
        activated(self.open, (id, number), parent, (Cause::Activate, self.author)).await?;
        self.point_to(version);
        Ok(())
    }

    fn point_to(&mut self, version: Version) {
        self.function.active_version = Some(version.number);
        self.function.resolved_runtime = Some(version.runtime);
        self.function.aliases.remove(ACTIVE);
    }

    /// To the version that was active before the active one, and is still there.
    async fn roll_back(&mut self) -> Result<(), Error> {
        let id = self.function.id;
        let Some(active) = self.function.active_version else {
            return refused("the function has no active version; deploy it first".to_owned());
        };
        let mut at = present(self.open, id).await?.and_then(|step| step.parent);
        while let Some(parent) = at {
            let row = self.open.row(Query::new(BY_ID).bind(parent)).await?;
            let Some(step) = row.as_ref().map(step).transpose()? else { break };
            at = step.parent;
            if step.version == active {
                continue;
            }
            if let Some(version) = version(self.open, id, step.version).await? {
                let cause = (Cause::Rollback, self.author);
                activated(self.open, (id, version.number), step.parent, cause).await?;
                self.point_to(version);
                return Ok(());
            }
        }
        refused(format!(
            "no version was active before version {active}, or those that were are deleted; activate one by its number"
        ))
    }

    async fn set(&mut self, alias: &Name, number: i64, split: Option<Split>) -> Result<(), Error> {
        self.existing(number).await?;
        if let Some(split) = &split {
            self.existing(split.version).await?;
        }
        let is_active = alias.as_str() == ACTIVE;
        if is_active {
            self.activate(number).await?;
        }
        let aliases = &mut self.function.aliases;
        if is_active && split.is_none() {
            return Ok(());
        }
        let created_at = aliases.get(alias).map_or(self.now, |known| known.created_at);
        let author = self.author.to_owned();
        let set =
            Alias { version: number, split, rolled_back: None, author, created_at, updated_at: self.now };
        aliases.insert(alias.clone(), set);
        if aliases.len() > MAX_ALIASES {
            return refused(format!("a function has at most {MAX_ALIASES} aliases; delete one first"));
        }
        Ok(())
    }

    fn unset(&mut self, alias: &Name) -> Result<(), Error> {
        if alias.as_str() == ACTIVE {
            let why =
                "the alias active is the active version's and can't be deleted; activate another version";
            return refused(why.to_owned());
        }
        let found = self.function.aliases.remove(alias);
        found.map(drop).ok_or(Error::Missing { what: "alias" })
    }

    async fn delete(&mut self, number: i64) -> Result<(), Error> {
        self.existing(number).await?;
        if self.function.active_version == Some(number) {
            return refused(format!("version {number} is the active one; activate another version first"));
        }
        if let Some(alias) = naming(&self.function.aliases, number) {
            return refused(format!(
                "the alias {alias} names version {number}; set it to another version, or delete it first"
            ));
        }
        let query = Query::new("DELETE FROM versions WHERE function_id = $1 AND number = $2");
        self.open.execute(query.bind(self.function.id.0).bind(number)).await?;
        Ok(())
    }

    fn end_split(&mut self, alias: &Name, split: &Split, note: &RolledBack) {
        if let Some(known) = self.function.aliases.get_mut(alias)
            && known.split.as_ref() == Some(split)
        {
            known.split = None;
            known.rolled_back = Some(note.clone());
            known.updated_at = self.now;
        }
    }
}

/// An alias that names a version.
fn naming(aliases: &BTreeMap<Name, Alias>, number: i64) -> Option<&Name> {
    let names = |alias: &Alias| {
        alias.version == number || alias.split.as_ref().is_some_and(|split| split.version == number)
    };
    aliases.iter().find(|(_, alias)| names(alias)).map(|(name, _)| name)
}
