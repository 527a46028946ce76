//! Settings: flags win over the environment, that over `cloudbox.toml`, that over defaults.
//!
//! All layers become one TOML table, which is read once with every key checked. No other module reads the
//! environment.

mod documents;
mod egress;
mod flags;
mod layers;
mod sections;
mod validate;

use std::net::SocketAddr;
use std::path::PathBuf;

use cloudbox_types::Secret;
use serde::Deserialize;

pub use documents::Documents;
pub use egress::Egress;
pub use flags::ServeArgs;
pub use sections::{
    Builds, Http, Images, Limits, Log, LogFormat, Pool, Records, Runtimes, SandboxChoice, Storage,
};

/// Reads a variable of the environment: [`environment`], or a map in tests.
pub type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Everything that an operator can set. Its `Debug` shows no secret.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where HTTP is served; port 0 takes a free one.
    #[serde(default = "defaults::listen")]
    pub listen: SocketAddr,
    /// Everything that is kept on this machine.
    #[serde(default = "defaults::data_dir")]
    pub data_dir: PathBuf,
    /// Which driver isolates functions.
    #[serde(default)]
    pub sandbox: SandboxChoice,
    /// Dangerous: start although mandatory layers of the isolation are missing.
    #[serde(default)]
    pub allow_weak_sandbox: bool,
    /// `sqlite://…` or `postgres://…`; none for the SQLite file in the data dir.
    #[serde(default)]
    pub database_url: Option<Secret<String>>,
    /// The object store that all nodes share, `s3://bucket/prefix` or a folder; none where this node is alone.
    #[serde(default)]
    pub storage_url: Option<String>,
    /// What users type before `/p/…`, without a slash at its end; empty where it isn't known.
    #[serde(default)]
    pub public_url: String,
    /// The Docker daemon's socket; none to look at the usual place.
    #[serde(default)]
    pub docker_host: Option<String>,
    /// The init of sandboxes; none for `cloudbox-init` beside this program.
    #[serde(default)]
    pub init_path: Option<PathBuf>,
    /// Seconds that running calls get to end after SIGTERM.
    #[serde(default = "defaults::drain_timeout_s")]
    pub drain_timeout_s: u64,
    /// Sizes of requests and answers.
    #[serde(default)]
    pub limits: Limits,
    /// The warm sandboxes.
    #[serde(default)]
    pub pool: Pool,
    /// Builds of deployments.
    #[serde(default)]
    pub builds: Builds,
    /// Images that functions bring.
    #[serde(default)]
    pub images: Images,
    /// The object store.
    #[serde(default)]
    pub storage: Storage,
    /// The runtimes and where their files are.
    #[serde(default)]
    pub runtimes: Runtimes,
    /// What the service writes about itself.
    #[serde(default)]
    pub log: Log,
    /// Connections.
    #[serde(default)]
    pub http: Http,
    /// Records of calls.
    #[serde(default)]
    pub records: Records,
    /// What functions may keep.
    #[serde(default)]
    pub documents: Documents,
    /// The way out of sandboxes.
    #[serde(default)]
    pub egress: Egress,
    /// An administrator's token; none to have one made in the data dir. From the environment only.
    #[serde(skip)]
    pub admin_token: Option<Secret<String>>,
    /// The master key, base64; none to have one made in the data dir. From the environment only.
    #[serde(skip)]
    pub secret_key: Option<Secret<String>>,
    /// Keys that only decrypt, base64, joined by commas. From the environment only.
    #[serde(skip)]
    pub secret_keys_old: Option<Secret<String>>,
}

mod defaults {
    //! Values of settings that nobody set.

    use std::net::{Ipv4Addr, SocketAddr};
    use std::path::PathBuf;

    pub(super) fn listen() -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, 8080))
    }

    pub(super) fn data_dir() -> PathBuf {
        PathBuf::from("data")
    }

    /// A call may take 300 s; what takes longer than that is stuck.
    pub(super) const fn drain_timeout_s() -> u64 {
        300
    }
}

/// Why the settings can't be used. Each names the key and the remedy.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file can't be read.
    #[error("the settings file {path} can't be read")]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is no TOML.
    #[error("the settings file {path} is not TOML: {why}")]
    NotToml {
        /// Which file.
        path: PathBuf,
        /// Where and why.
        why: String,
    },
    /// A key is unknown, or its value is of the wrong type.
    #[error("setting {key}: {why}")]
    Wrong {
        /// The key, such as `pool.queue_len`.
        key: String,
        /// What is wrong with it, and what would be right.
        why: String,
    },
}

impl Config {
    /// Reads every layer and checks the result.
    ///
    /// # Errors
    /// Names the key or the file.
    pub fn load(args: &ServeArgs, lookup: Lookup<'_>) -> Result<Self, Error> {
        let table = layers::merge(args, lookup)?;
        let mut config: Self =
            serde_path_to_error::deserialize(toml::Value::Table(table)).map_err(|error| {
                let path = error.path().to_string();
                let why = error.into_inner().to_string().trim().to_owned();
                let key = if path == "." { quoted(&why).unwrap_or("?").to_owned() } else { path };
                Error::Wrong { key, why }
            })?;
        config.admin_token = lookup("CLOUDBOX_ADMIN_TOKEN").map(Secret::new);
        config.secret_key = lookup("CLOUDBOX_SECRET_KEY").map(Secret::new);
        config.secret_keys_old = lookup("CLOUDBOX_SECRET_KEYS_OLD").map(Secret::new);
        validate::check(&config)?;
        Ok(config)
    }
}

/// Checks the names of the variables that begin with `CLOUDBOX_`: a misspelt setting is one that isn't set.
///
/// # Errors
/// Names the variable.
pub fn check_variables<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<(), Error> {
    match names.into_iter().find(|name| !layers::is_known(name)) {
        None => Ok(()),
        Some(name) => Err(Error::Wrong {
            key: name.to_owned(),
            why: "no setting has this variable; unset it, or see the README for the names".to_owned(),
        }),
    }
}

/// The names of this process's variables that begin with `CLOUDBOX_`.
#[must_use]
pub fn variables() -> Vec<String> {
    let names = std::env::vars_os().map(|(name, _)| name.to_string_lossy().into_owned());
    names.filter(|name| name.starts_with("CLOUDBOX_")).collect()
}

/// The word that an error of serde names.
fn quoted(message: &str) -> Option<&str> {
    message.split('`').nth(1)
}

/// A variable of this process's environment; one that is empty counts as unset.
#[expect(clippy::disallowed_methods, reason = "this module is the one place that reads the environment")]
#[must_use]
pub fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests;
