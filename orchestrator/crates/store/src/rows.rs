//! What rows become: the domain's types.

use cloudbox_types::function::FunctionSettings;
use cloudbox_types::{
    Deployment, DeploymentId, Function, FunctionId, InvocationId, Limits, Name, Page, PageRequest, Project,
    ProjectId, Record, Version,
};
use jiff::Timestamp;
use serde::de::DeserializeOwned;

use crate::database::Row;
use crate::error::Error;
use crate::key::{EnvironmentKey, Owner};

/// A value that this release can't read, in a column that it names.
fn unreadable(column: &str, source: impl std::error::Error + Send + Sync + 'static) -> sqlx::Error {
    sqlx::Error::ColumnDecode { index: column.to_owned(), source: Box::new(source) }
}

impl Row {
    fn time(&self, column: &str) -> Result<Timestamp, sqlx::Error> {
        Timestamp::from_millisecond(self.get(column)?).map_err(|error| unreadable(column, error))
    }

    /// An unsigned number, of any width.
    fn count<T>(&self, column: &str) -> Result<T, sqlx::Error>
    where
        T: TryFrom<i64, Error: std::error::Error + Send + Sync + 'static>,
    {
        T::try_from(self.get::<i64>(column)?).map_err(|error| unreadable(column, error))
    }

    fn json<T: DeserializeOwned>(&self, column: &str) -> Result<T, sqlx::Error> {
        serde_json::from_str(&self.get::<String>(column)?).map_err(|error| unreadable(column, error))
    }

    /// One of the words that the types write with `as_str`.
    fn word<T: DeserializeOwned>(&self, column: &str) -> Result<T, sqlx::Error> {
        serde_json::from_value(self.get::<String>(column)?.into()).map_err(|error| unreadable(column, error))
    }

    pub(crate) fn name(&self, column: &str) -> Result<Name, sqlx::Error> {
        Name::new(self.get::<String>(column)?).map_err(|error| unreadable(column, error))
    }

    pub(crate) fn project(&self) -> Result<Project, Error> {
        Ok(Project {
            id: ProjectId(self.get("id")?),
            name: self.get("name")?,
            slug: self.name("slug")?,
            description: self.get("description")?,
            created_at: self.time("created_at")?,
            updated_at: self.time("updated_at")?,
        })
    }

    pub(crate) fn function(&self, key: &EnvironmentKey) -> Result<Function, Error> {
        let id = FunctionId(self.get("id")?);
        let project_id = ProjectId(self.get("project_id")?);
        Ok(Function {
            id,
            project_id,
            settings: self.settings(Owner { project: project_id, function: id }, key)?,
            revision: self.get("revision")?,
            status: self.word("status")?,
            active_version: self.get("active_version")?,
            resolved_runtime: self.get("resolved_runtime")?,
            build_logs: self.get("build_logs")?,
            invocation_count: self.get("invocation_count")?,
            created_at: self.time("created_at")?,
            updated_at: self.time("updated_at")?,
        })
    }

    fn settings(&self, owner: Owner, key: &EnvironmentKey) -> Result<FunctionSettings, Error> {
        Ok(FunctionSettings {
            name: self.name("name")?,
            description: self.get("description")?,
            runtime: self.get("runtime")?,
            language: self.word("language")?,
            code: self.get("code")?,
            entry_point: self.get("entry_point")?,
            handler_style: self.word("handler_style")?,
            isolation: self.word("isolation")?,
            limits: Limits {
                timeout_s: self.count("timeout_s")?,
                memory_mb: self.count("memory_mb")?,
                cpu_millis: self.count("cpu_millis")?,
                tmp_mb: self.count("tmp_mb")?,
                pids: self.count("pids")?,
            },
            environment: key.decrypt(owner, &self.get::<String>("environment")?)?,
            dependencies: self.json("dependencies")?,
            is_public: self.get("is_public")?,
            is_active: self.get("is_active")?,
            expose_errors: self.get("expose_errors")?,
            egress: self.json("egress")?,
            cors: match self.get::<Option<String>>("cors")? {
                Some(_) => Some(self.json("cors")?),
                None => None,
            },
            min_instances: self.count("min_instances")?,
            max_instances: self.count("max_instances")?,
            concurrency: self.count("concurrency")?,
        })
    }

    pub(crate) fn version(&self) -> Result<Version, Error> {
        Ok(Version {
            function_id: FunctionId(self.get("version_function")?),
            number: self.get("version_number")?,
            runtime: self.get("version_runtime")?,
            language: self.word("version_language")?,
            entry_point: self.get("version_entry_point")?,
            handler_style: self.get("version_handler_style")?,
            digest: self.get("version_digest")?,
            main: self.get("version_main")?,
            created_at: self.time("version_created_at")?,
        })
    }

    pub(crate) fn deployment(&self) -> Result<Deployment, Error> {
        Ok(Deployment {
            id: DeploymentId(self.get("id")?),
            function_id: FunctionId(self.get("function_id")?),
            version: self.get("version")?,
            status: self.word("status")?,
            stage: self.word("stage")?,
            stages: self.json("stages")?,
            build_logs: self.get("build_logs")?,
            error: self.get("error")?,
            created_at: self.time("created_at")?,
            finished_at: match self.get::<Option<i64>>("finished_at")? {
                Some(_) => Some(self.time("finished_at")?),
                None => None,
            },
        })
    }

    pub(crate) fn record(&self) -> Result<Record, Error> {
        let id: String = self.get("id")?;
        Ok(Record {
            id: id.parse::<InvocationId>().map_err(|error| unreadable("id", error))?,
            project_id: ProjectId(self.get("project_id")?),
            function_id: FunctionId(self.get("function_id")?),
            version: self.get("version")?,
            created_at: self.time("created_at")?,
            status: self.word("status")?,
            code: match self.get::<Option<String>>("code")? {
                Some(_) => Some(self.word("code")?),
                None => None,
            },
            error: self.get("error")?,
            method: self.get("method")?,
            path: self.get("path")?,
            http_status: self.count("http_status")?,
            execution_time_ms: self.get("execution_time_ms")?,
            memory_bytes: self.count("memory_bytes")?,
            cpu_time_ms: self.get("cpu_time_ms")?,
            response_bytes: self.count("response_bytes")?,
            logs: self.get("logs")?,
            is_warm: self.get("is_warm")?,
            trigger: self.word("trigger_kind")?,
            driver: self.get("driver")?,
            egress: match self.get::<Option<String>>("egress")? {
                Some(_) => self.json("egress")?,
                None => Vec::new(),
            },
        })
    }
}

/// A page of the rows of a query that asked for one more than the page holds, see [`probe`].
pub(crate) fn page<T>(
    mut rows: Vec<Row>,
    request: PageRequest,
    cursor: &str,
    item: impl FnMut(&Row) -> Result<T, Error>,
) -> Result<Page<T>, Error> {
    let limit = request.limit as usize;
    let has_more = rows.len() > limit;
    rows.truncate(limit);
    let next = match rows.last() {
        Some(last) if has_more => Some(last.get(cursor)?),
        _ => None,
    };
    Ok(Page { items: rows.iter().map(item).collect::<Result<_, _>>()?, next })
}

/// How many rows to ask for: one more than the page holds tells whether another page follows.
pub(crate) fn probe(request: PageRequest) -> i64 {
    i64::from(request.limit) + 1
}
