//! The layers of settings as one TOML table.

use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::{Error, Lookup, ServeArgs};

/// Keys that are texts: their variables are taken as they are, so a path may be all digits.
const TEXTS: &[&str] = &[
    "listen",
    "data_dir",
    "sandbox",
    "database_url",
    "storage_url",
    "public_url",
    "docker_host",
    "init_path",
    "runtimes.dir",
    "runtimes.bundles_dir",
    "log.format",
    "log.level",
];
/// Keys that are numbers or booleans.
const SCALARS: &[&str] = &[
    "allow_weak_sandbox",
    "drain_timeout_s",
    "limits.max_request_bytes",
    "limits.max_response_bytes",
    "limits.max_stream_bytes",
    "limits.max_log_bytes",
    "limits.total_memory_mb",
    "limits.total_pids",
    "limits.timeout.min",
    "limits.timeout.max",
    "limits.memory.min",
    "limits.memory.max",
    "limits.cpu.min",
    "limits.cpu.max",
    "limits.tmp_mb.min",
    "limits.tmp_mb.max",
    "limits.pids.min",
    "limits.pids.max",
    "pool.memory_budget_mb",
    "pool.max_sandboxes",
    "pool.project_percent",
    "pool.queue_len",
    "pool.queue_wait_s",
    "pool.idle_timeout_s",
    "pool.freeze_after_ms",
    "pool.start_timeout_s",
    "pool.max_spares",
    "pool.max_prepared",
    "builds.timeout_s",
    "builds.memory_mb",
    "builds.cpu",
    "builds.pids",
    "builds.disk_mb",
    "builds.parallel",
    "builds.queue_len",
    "builds.deployment_timeout_s",
    "builds.artefact_mb",
    "builds.artefact_files",
    "builds.output_kb",
    "builds.network",
    "builds.offline",
    "builds.install_scripts",
    "images.dockerfiles",
    "images.run",
    "images.max_mb",
    "runtimes.strict",
    "storage.timeout_s",
    "storage.gc_interval_s",
    "storage.gc_grace_s",
    "http.max_connections",
    "http.max_connections_per_address",
    "http.max_requests",
    "http.max_body_bytes_held",
    "http.max_calls_per_project",
    "http.request_head_timeout_s",
    "http.request_body_timeout_s",
    "http.request_body_idle_timeout_s",
    "http.response_idle_timeout_s",
    "http.idle_timeout_s",
    "egress.enabled",
    "egress.max_connections",
    "egress.max_mb",
    "egress.idle_timeout_s",
    "egress.connect_timeout_s",
    "records.spool_mb",
    "records.keep_days",
    "records.keep_per_function",
    "documents.per_project",
    "documents.bytes_per_project",
    "documents.bytes_per_document",
    "documents.operations_per_call",
];
/// Of these, the booleans: a variable may say 1 or 0, too.
const FLAGS: [&str; 8] = [
    "allow_weak_sandbox",
    "builds.install_scripts",
    "builds.network",
    "builds.offline",
    "egress.enabled",
    "images.dockerfiles",
    "images.run",
    "runtimes.strict",
];
/// Variables that other programs know too, and a short name of ours, below the whole name of the same key.
const BORROWED: [(&str, &str); 4] = [
    ("DATABASE_URL", "database_url"),
    ("DOCKER_HOST", "docker_host"),
    ("RUST_LOG", "log.level"),
    ("CLOUDBOX_BUNDLES_DIR", "runtimes.bundles_dir"),
];

/// Variables of ours that are no settings of the service: its secrets and its file, the client's, and that of docker-compose.yml.
const OTHERS: [&str; 9] = [
    "CLOUDBOX_ADMIN_TOKEN",
    "CLOUDBOX_SECRET_KEY",
    "CLOUDBOX_SECRET_KEYS_OLD",
    "CLOUDBOX_CONFIG",
    "CLOUDBOX_URL",
    "CLOUDBOX_TOKEN",
    "CLOUDBOX_TOKEN_FILE",
    "CLOUDBOX_PROJECT",
    "CLOUDBOX_VERSION",
];
/// Beginnings of the variables that Kubernetes sets for a service of our name, and of those of our tests.
const FOREIGN: [&str; 3] = ["CLOUDBOX_SERVICE_", "CLOUDBOX_PORT", "CLOUDBOX_TEST_"];

/// Whether a variable that begins with `CLOUDBOX_` means anything.
pub(super) fn is_known(name: &str) -> bool {
    TEXTS.iter().chain(SCALARS).any(|key| variable(key) == name)
        || BORROWED.iter().any(|(borrowed, _)| *borrowed == name)
        || OTHERS.contains(&name)
        || FOREIGN.iter().any(|begin| name.starts_with(begin))
}

/// File, then environment, then flags.
pub(super) fn merge(args: &ServeArgs, lookup: Lookup<'_>) -> Result<Table, Error> {
    let mut above = Table::new();
    for (variable, key) in BORROWED {
        if let Some(text) = lookup(variable) {
            put(&mut above, key, Value::String(text))?;
        }
    }
    for key in TEXTS {
        if let Some(text) = lookup(&variable(key)) {
            put(&mut above, key, Value::String(text))?;
        }
    }
    for key in SCALARS {
        if let Some(text) = lookup(&variable(key)) {
            let value = if FLAGS.contains(key) { flag(text) } else { scalar(text) };
            put(&mut above, key, value)?;
        }
    }
    for (key, value) in args.given() {
        put(&mut above, key, Value::String(value))?;
    }
    if args.is_offline {
        put(&mut above, "builds.offline", Value::Boolean(true))?;
    }
    let mut table = match file(args, lookup, &above) {
        Some((path, is_required)) => read(&path, is_required)?,
        None => Table::new(),
    };
    overlay(&mut table, above);
    Ok(table)
}

/// `pool.queue_len` is `CLOUDBOX_POOL_QUEUE_LEN`.
fn variable(key: &str) -> String {
    format!("CLOUDBOX_{}", key.replace('.', "_").to_uppercase())
}

fn scalar(text: String) -> Value {
    if let Ok(number) = text.parse() {
        return Value::Integer(number);
    }
    if let Ok(number) = text.parse() {
        return Value::Float(number);
    }
    text.parse().map_or(Value::String(text), Value::Boolean)
}

fn flag(text: String) -> Value {
    match text.as_str() {
        "1" => Value::Boolean(true),
        "0" => Value::Boolean(false),
        _ => scalar(text),
    }
}

fn put(table: &mut Table, key: &str, value: Value) -> Result<(), Error> {
    let Some((section, rest)) = key.split_once('.') else {
        table.insert(key.to_owned(), value);
        return Ok(());
    };
    let inner = table.entry(section).or_insert_with(|| Value::Table(Table::new()));
    match inner {
        Value::Table(inner) => put(inner, rest, value),
        _ => Err(Error::Wrong { key: section.to_owned(), why: "must be a section of settings".to_owned() }),
    }
}

fn overlay(below: &mut Table, above: Table) {
    for (key, value) in above {
        match (below.get_mut(&key), value) {
            (Some(Value::Table(below)), Value::Table(above)) => overlay(below, above),
            (_, value) => {
                below.insert(key, value);
            }
        }
    }
}

/// The file's path, and whether somebody named it.
fn file(args: &ServeArgs, lookup: Lookup<'_>, above: &Table) -> Option<(PathBuf, bool)> {
    if let Some(named) = args.config.clone().or_else(|| lookup("CLOUDBOX_CONFIG").map(PathBuf::from)) {
        return Some((named, true));
    }
    let data_dir = above.get("data_dir").and_then(Value::as_str).unwrap_or("data");
    let usual = [PathBuf::from("cloudbox.toml"), Path::new(data_dir).join("cloudbox.toml")];
    usual.into_iter().find(|path| path.exists()).map(|path| (path, false))
}

fn read(path: &Path, is_required: bool) -> Result<Table, Error> {
    match std::fs::read_to_string(path) {
        Ok(text) => text.parse().map_err(|error: toml::de::Error| Error::NotToml {
            path: path.to_owned(),
            why: error.to_string().trim().to_owned(),
        }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && !is_required => Ok(Table::new()),
        Err(source) => Err(Error::Unreadable { path: path.to_owned(), source }),
    }
}
