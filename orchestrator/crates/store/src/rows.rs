//! What rows become: the domain's types.

use cloudbox_database::{Row, unreadable};
use cloudbox_types::function::FunctionSettings;
use cloudbox_types::{
    Activation, Deployment, DeploymentId, Function, FunctionId, InvocationId, Limits, Name, Page,
    PageRequest, Project, ProjectId, Record, Version,
};

use crate::error::Error;
use crate::key::{Environment, EnvironmentKey, Owner, names};

/// What a row becomes.
pub(crate) trait Read {
    fn name(&self, column: &str) -> Result<Name, sqlx::Error>;
    fn project(&self) -> Result<Project, Error>;
    fn function(&self, key: &EnvironmentKey) -> Result<Function, Error>;
    /// To be shown: where secret values can't be decrypted, their names alone.
    fn function_shown(&self, key: &EnvironmentKey) -> Result<Function, Error>;
    fn owner(&self) -> Result<Owner, Error>;
    fn version(&self) -> Result<Version, Error>;
    fn activation(&self) -> Result<Activation, Error>;
    fn deployment(&self) -> Result<Deployment, Error>;
    fn record(&self) -> Result<Record, Error>;
}

impl Read for Row {
    fn name(&self, column: &str) -> Result<Name, sqlx::Error> {
        Name::new(self.get::<String>(column)?).map_err(|error| unreadable(column, error))
    }

    fn project(&self) -> Result<Project, Error> {
        Ok(Project {
            id: ProjectId(self.get("id")?),
            name: self.get("name")?,
            slug: self.name("slug")?,
            description: self.get("description")?,
            created_at: self.time("created_at")?,
            updated_at: self.time("updated_at")?,
        })
    }

    fn owner(&self) -> Result<Owner, Error> {
        Ok(Owner { project: ProjectId(self.get("project_id")?), function: FunctionId(self.get("id")?) })
    }

    fn function(&self, key: &EnvironmentKey) -> Result<Function, Error> {
        let owner = self.owner()?;
        let read = |column| key.decrypt(owner, &self.get::<String>(column)?);
        function(self, owner, read("environment")?, read("shared_environment")?)
    }

    fn function_shown(&self, key: &EnvironmentKey) -> Result<Function, Error> {
        match self.function(key) {
            Err(Error::Undecryptable { .. }) => {
                let environment = names(&self.get::<String>("environment")?);
                function(self, self.owner()?, environment, Environment::new())
            }
            read => read,
        }
    }

    fn version(&self) -> Result<Version, Error> {
        Ok(Version {
            function_id: FunctionId(self.get("version_function")?),
            number: self.get("version_number")?,
            runtime: self.get("version_runtime")?,
            language: self.word("version_language")?,
            entry_point: self.get("version_entry_point")?,
            handler_style: self.get("version_handler_style")?,
            digest: self.get("version_digest")?,
            main: self.get("version_main")?,
            package: self.get("version_package")?,
            image: match self.get::<Option<String>>("version_image")? {
                Some(_) => Some(self.json("version_image")?),
                None => None,
            },
            dependencies: self.json("version_dependencies")?,
            author: self.get("version_author")?,
            created_at: self.time("version_created_at")?,
        })
    }

    fn activation(&self) -> Result<Activation, Error> {
        Ok(Activation {
            id: self.get("id")?,
            version: self.get("version")?,
            cause: self.word("cause")?,
            author: self.get("author")?,
            created_at: self.time("created_at")?,
        })
    }

    fn deployment(&self) -> Result<Deployment, Error> {
        Ok(Deployment {
            id: DeploymentId(self.get("id")?),
            function_id: FunctionId(self.get("function_id")?),
            version: self.get("version")?,
            author: self.get("author")?,
            activates: self.get("activates")?,
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

    fn record(&self) -> Result<Record, Error> {
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
            host_calls: match self.get::<Option<String>>("host_calls")? {
                Some(_) => self.json("host_calls")?,
                None => Vec::new(),
            },
            timing: match self.get::<Option<String>>("timing")? {
                Some(_) => Some(self.json("timing")?),
                None => None,
            },
        })
    }
}

fn function(
    row: &Row,
    owner: Owner,
    environment: Environment,
    shared: Environment,
) -> Result<Function, Error> {
    Ok(Function {
        id: owner.function,
        project_id: owner.project,
        settings: settings(row, environment)?,
        shared,
        revision: row.get("revision")?,
        status: row.word("status")?,
        active_version: row.get("active_version")?,
        aliases: row.json("aliases")?,
        generation: row.get("generation")?,
        resolved_runtime: row.get("resolved_runtime")?,
        build_logs: row.get("build_logs")?,
        invocation_count: row.get("invocation_count")?,
        created_at: row.time("created_at")?,
        updated_at: row.time("updated_at")?,
    })
}

fn settings(row: &Row, environment: Environment) -> Result<FunctionSettings, Error> {
    Ok(FunctionSettings {
        name: row.name("name")?,
        description: row.get("description")?,
        runtime: row.get("runtime")?,
        language: row.word("language")?,
        code: row.get("code")?,
        package: row.get("package")?,
        image: match row.get::<Option<String>>("image")? {
            Some(_) => Some(row.json("image")?),
            None => None,
        },
        entry_point: row.get("entry_point")?,
        handler_style: row.word("handler_style")?,
        isolation: row.word("isolation")?,
        limits: Limits {
            timeout_s: row.count("timeout_s")?,
            memory_mb: row.count("memory_mb")?,
            cpu_millis: row.count("cpu_millis")?,
            tmp_mb: row.count("tmp_mb")?,
            pids: row.count("pids")?,
        },
        environment,
        dependencies: row.json("dependencies")?,
        is_public: row.get("is_public")?,
        is_active: row.get("is_active")?,
        expose_errors: row.get("expose_errors")?,
        egress: row.json("egress")?,
        cors: match row.get::<Option<String>>("cors")? {
            Some(_) => Some(row.json("cors")?),
            None => None,
        },
        min_instances: row.count("min_instances")?,
        max_instances: row.count("max_instances")?,
        concurrency: row.count("concurrency")?,
    })
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
