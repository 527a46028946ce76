//! The flags of `cloudbox serve`.

use std::path::PathBuf;

/// Flags of `cloudbox serve`; each can also be set in the environment or in `cloudbox.toml`.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct ServeArgs {
    /// Where HTTP is served; port 0 takes a free one [env: CLOUDBOX_LISTEN] [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub listen: Option<String>,
    /// Everything that is kept on this machine [env: CLOUDBOX_DATA_DIR] [default: ./data]
    #[arg(long, value_name = "FOLDER")]
    pub data_dir: Option<PathBuf>,
    /// What isolates functions: auto, docker or native [env: CLOUDBOX_SANDBOX] [default: auto]
    #[arg(long, value_name = "DRIVER")]
    pub sandbox: Option<String>,
    /// postgres://… for many nodes [env: CLOUDBOX_DATABASE_URL, DATABASE_URL] [default: SQLite in the data dir]
    #[arg(long, value_name = "URL")]
    pub database_url: Option<String>,
    /// Where artefacts are kept [env: CLOUDBOX_STORAGE_URL] [default: a folder in the data dir]
    #[arg(long, value_name = "URL")]
    pub storage_url: Option<String>,
    /// Fetch nothing: neither dependencies nor toolchains [env: CLOUDBOX_BUILDS_OFFLINE]
    #[arg(long = "offline")]
    pub is_offline: bool,
    /// The settings file [env: CLOUDBOX_CONFIG] [default: ./cloudbox.toml, then DATA_DIR/cloudbox.toml]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

impl ServeArgs {
    /// The flags that were given, by the keys of the settings file.
    pub(super) fn given(&self) -> Vec<(&'static str, String)> {
        let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.to_string_lossy().into_owned());
        let all = [
            ("listen", self.listen.clone()),
            ("data_dir", path(&self.data_dir)),
            ("sandbox", self.sandbox.clone()),
            ("database_url", self.database_url.clone()),
            ("storage_url", self.storage_url.clone()),
        ];
        all.into_iter().filter_map(|(key, value)| Some((key, value?))).collect()
    }
}
