//! From settings to a service that is ready.

use std::fs::{OpenOptions, Permissions};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cloudbox_bundles::{Catalogue, SearchPlaces, Toolchains};
use cloudbox_deploy::Deployer;
use cloudbox_dispatch::recorder::Recorder;
use cloudbox_dispatch::table::Table;
use cloudbox_dispatch::{Dispatcher, Inline};
use cloudbox_egress::Broker;
use cloudbox_mirrors::{Mirrors, Variables, client_environment};
use cloudbox_pool::Pool;
use cloudbox_sandbox::Instance;
use cloudbox_storage::{Place, Remote};
use cloudbox_store::{EnvironmentKey, Store};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use super::pool::ceiling;
use super::running_mark::RunningMark;
use super::{App, Driver, Ending, alive, driver, images, pool, services};
use crate::config::{Config, environment};
use crate::data_dir::DataDir;
use cloudbox_types::Limits;

impl App {
    /// Brings everything up, in the order that each part needs. `ending` tells it to end its background tasks.
    ///
    /// # Errors
    /// The first part that can't come up, with its reason and remedy.
    pub async fn start(config: Config, ending: Ending) -> anyhow::Result<Arc<Self>> {
        let data_dir = DataDir::open(&config)?;
        let mark = RunningMark::set(&data_dir.path)?;
        let store = open_store(&config, &data_dir).await?;
        if mark.was_there {
            tracing::warn!("the service did not end cleanly the last time: checking the database");
            store.check().await.context("checking the database after an unclean end")?;
        }
        let init = init_path(&config)?;
        let driver = open_driver(&config, &data_dir, &init).await?;
        let opened = Opened::new(&config, &data_dir, &store, &driver, init).await;
        let Opened { catalogue, deployer, table, recorder, broker, begun } = match opened {
            Ok(opened) => opened,
            Err(error) => {
                // What it made outside of the data dir, its group above all, would stay.
                driver.close().await;
                return Err(error);
            }
        };
        let pool = Pool::open(driver.shared(), pool::settings(&config));
        let dispatcher = Dispatcher::new(
            Arc::clone(&pool),
            driver.shared(),
            Arc::clone(&catalogue),
            Arc::clone(&recorder),
            services::open(&config, &store),
            cloudbox_dispatch::Settings {
                max_response_bytes: config.limits.max_response_bytes,
                max_stream_bytes: config.limits.max_stream_bytes,
                max_log_bytes: config.limits.max_log_bytes,
                ranges: config.limits.ranges(),
                code: Arc::clone(deployer.code()),
                images: deployer.absent_images(),
                broker: broker.clone(),
            },
        );
        let inline = Arc::new(Inline::new(Arc::clone(&deployer), Arc::clone(&pool)));
        let app = Arc::new(Self {
            config,
            data_dir,
            store,
            table,
            catalogue,
            driver,
            pool,
            recorder,
            dispatcher,
            deployer,
            inline,
            broker,
            started_at: Instant::now(),
            ending,
            mark,
            tasks: TaskTracker::new(),
        });
        app.install(begun);
        app.start_background();
        Ok(app)
    }
}

/// What can fail to come up when there is a driver already.
struct Opened {
    catalogue: Arc<Catalogue>,
    deployer: Arc<Deployer>,
    table: Arc<Table>,
    recorder: Arc<Recorder>,
    broker: Option<Arc<Broker>>,
    begun: images::Begun,
}

impl Opened {
    async fn new(
        config: &Config,
        data_dir: &DataDir,
        store: &Arc<dyn Store>,
        driver: &Driver,
        init: PathBuf,
    ) -> anyhow::Result<Self> {
        let bundles_dir =
            config.runtimes.bundles_dir.clone().unwrap_or_else(|| data_dir.path.join("bundles"));
        let toolchains_dir = data_dir.path.join("toolchains");
        let has_images = driver.shared().image_host().is_some();
        let catalogue = open_catalogue(config, bundles_dir, (Some(toolchains_dir), has_images), init).await?;
        let catalogue = Arc::new(catalogue);
        let broker = config.egress.broker()?;
        let deployer = open_deployer(config, data_dir, store, driver, (&catalogue, broker.clone())).await?;
        deployer.recover().await.context("ending deployments that an earlier life left")?;
        let table = Arc::new(Table::load(Arc::clone(store)).await.context("reading the functions")?);
        let spool = data_dir.path.join("spool");
        let recorder = Recorder::open(&spool, config.records.spool_mb << 20, Arc::clone(store));
        let recorder = recorder.with_context(|| format!("opening {}", spool.display()))?;
        let begun = images::begin(config, &catalogue, deployer.images())?;
        Ok(Self { catalogue, deployer, table, recorder, broker, begun })
    }
}

impl App {
    /// What goes on beside requests: records move into the store, spares come up, sandboxes that are to stay warm start.
    fn start_background(self: &Arc<Self>) {
        let recorder = Arc::clone(&self.recorder);
        // None of the tasks that a shutdown waits for: it goes on until the recorder is closed, after the last of them.
        tokio::spawn(async move { recorder.run().await });
        let (recorder, records) = (Arc::clone(&self.recorder), self.config.records.clone());
        tokio::spawn(async move { recorder.prune(records.keep_days, records.keep_per_function).await });
        for entry in self.table.entries() {
            self.pool.share(entry.function.project_id, true);
            self.keep_warm(&entry);
        }
        let deployer = Arc::clone(&self.deployer);
        // As long as a deployment may run, also while the service ends.
        tokio::spawn(async move { alive::keep_noted(&deployer).await });
        let app = Arc::clone(self);
        self.tasks
            .spawn(async move { app.ending.closing.run_until_cancelled(app.end_failed_splits()).await });
        let app = Arc::clone(self);
        self.tasks.spawn(async move { app.ending.closing.run_until_cancelled(app.follow_nodes()).await });
        let app = Arc::clone(self);
        self.tasks.spawn(async move { app.ending.closing.run_until_cancelled(app.inline.tend()).await });
        let app = Arc::clone(self);
        self.tasks.spawn(async move { app.ending.closing.run_until_cancelled(app.keep_tidy()).await });
        let app = Arc::clone(self);
        self.tasks.spawn(async move {
            if let Some(spares) = app.ending.closing.run_until_cancelled(app.make_spares()).await {
                app.pool.set_spares(spares);
            }
        });
    }
}

/// Makes the file where it is missing. SQLite gives its other files the mode of this one.
fn keep_to_ourselves(path: &Path) -> std::io::Result<()> {
    let file = OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
    file.set_permissions(Permissions::from_mode(0o600))
}

async fn open_store(config: &Config, data_dir: &DataDir) -> anyhow::Result<Arc<dyn Store>> {
    let url = match &config.database_url {
        Some(url) => url.expose().clone(),
        None => {
            let path = data_dir.path.join("cloudbox.db");
            keep_to_ourselves(&path).with_context(|| format!("opening {}", path.display()))?;
            format!("sqlite://{}", path.display())
        }
    };
    let mut key = EnvironmentKey::from_base64(&STANDARD.encode(data_dir.secret_key.expose()))?;
    for old in &data_dir.old_keys {
        key = key.with_older(EnvironmentKey::from_base64(&STANDARD.encode(old.expose()))?);
    }
    cloudbox_store::open(&url, key).await.context("opening the database")
}

/// The static init: what the settings say, else beside this program.
pub(crate) fn init_path(config: &Config) -> anyhow::Result<PathBuf> {
    let path = match &config.init_path {
        Some(path) => path.clone(),
        None => std::env::current_exe().context("finding this program")?.with_file_name("cloudbox-init"),
    };
    anyhow::ensure!(
        path.is_file(),
        "the sandboxes' init is not at {}; build it with `make build`, or set init_path",
        path.display()
    );
    Ok(path)
}

async fn open_driver(config: &Config, data_dir: &DataDir, init: &Path) -> anyhow::Result<Driver> {
    let settings = driver::Settings {
        instance: Instance {
            id: data_dir.instance_id.clone(),
            boot: uuid::Uuid::new_v4().simple().to_string(),
            run_dir: data_dir.path.join("run"),
        },
        docker_host: config.docker_host.clone(),
        last_used: data_dir.path.join("driver"),
        init: init.to_owned(),
        ceiling: ceiling(config),
        is_weak_allowed: config.allow_weak_sandbox,
    };
    let driver = Driver::open(config.sandbox, &settings).await?;
    let swept = driver.shared().sweep().await.context("removing what an earlier life left")?;
    if swept.removed + swept.failed > 0 {
        tracing::info!(swept.removed, swept.failed, "swept sandboxes of an earlier life");
    }
    Ok(driver)
}

pub(crate) async fn open_catalogue(
    config: &Config,
    bundles_dir: PathBuf,
    (toolchains_dir, has_images): (Option<PathBuf>, bool),
    init: PathBuf,
) -> anyhow::Result<Catalogue> {
    let path = environment("PATH").unwrap_or_default();
    let home = environment("HOME").map(PathBuf::from);
    // A version tool's variable, and the folder that it has below the home folder without it.
    let roots =
        [("pyenv_root", "PYENV_ROOT", ".pyenv"), ("nvm_dir", "NVM_DIR", ".nvm"), ("go_sdk", "GO_SDK", "sdk")];
    let root_of = |variable: &str, below: &str| {
        environment(variable).map(PathBuf::from).or_else(|| Some(home.as_ref()?.join(below)))
    };
    let settings = cloudbox_bundles::Settings {
        runtimes_dir: config.runtimes.dir.clone(),
        bundles_dir,
        init,
        places: SearchPlaces {
            path: std::env::split_paths(&path).collect(),
            roots: roots
                .into_iter()
                .filter_map(|(root, variable, below)| Some((root.to_owned(), root_of(variable, below)?)))
                .collect(),
        },
        toolchains: Toolchains {
            folder: toolchains_dir,
            path: std::env::split_paths(&path).collect(),
            env: client_environment(&environment),
            is_offline: config.builds.offline,
        },
        is_strict: config.runtimes.strict,
        has_images,
        today: jiff::Zoned::now().date(),
    };
    // It asks every toolchain for its version.
    let opened = tokio::task::spawn_blocking(move || Catalogue::open(settings)).await?;
    opened.context("reading the runtimes")
}

/// The variables of AWS that the object store's client knows.
const AWS_VARIABLES: [&str; 16] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_S3",
    "AWS_ENDPOINT_URL_STS",
    "AWS_ALLOW_HTTP",
    "AWS_VIRTUAL_HOSTED_STYLE_REQUEST",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
];

/// Where `docker login` of the user that the service runs as has put credentials.
fn docker_config() -> Option<PathBuf> {
    let folder = environment("DOCKER_CONFIG").map(PathBuf::from);
    let folder = folder.or_else(|| Some(PathBuf::from(environment("HOME")?).join(".docker")));
    folder.map(|folder| folder.join("config.json"))
}

async fn open_remote(config: &Config, store: &dyn Store) -> anyhow::Result<Option<Arc<Remote>>> {
    let Some(url) = config.storage_url.clone() else { return Ok(None) };
    let set = AWS_VARIABLES.into_iter().filter_map(|name| Some((name.to_owned(), environment(name)?)));
    let installation = store.objects().installation().await.context("naming this installation")?;
    let patience = Duration::from_secs(config.storage.timeout_s);
    let place = Place { url, variables: set.collect(), patience, installation };
    Ok(Some(Arc::new(Remote::open(&place).context("opening the object store")?)))
}

async fn open_deployer(
    config: &Config,
    data_dir: &DataDir,
    store: &Arc<dyn Store>,
    driver: &Driver,
    (catalogue, broker): (&Arc<Catalogue>, Option<Arc<Broker>>),
) -> anyhow::Result<Arc<Deployer>> {
    let defaults = cloudbox_deploy::Settings::new(&data_dir.path);
    let builds = &config.builds;
    let files = builds.files.iter().map(|(inside, here)| (here.clone(), inside.into())).collect();
    let settings = cloudbox_deploy::Settings {
        node: data_dir.instance_id.clone(),
        limits: Limits {
            timeout_s: u32::try_from(builds.timeout_s).unwrap_or(u32::MAX),
            memory_mb: builds.memory_mb,
            cpu_millis: (builds.cpu * 1000.0) as u32,
            tmp_mb: builds.disk_mb,
            pids: builds.pids,
        },
        has_network: builds.network && !builds.offline,
        may_run_scripts: builds.install_scripts,
        hosts: builds.hosts.clone(),
        max_workspace_bytes: 4 * (u64::from(builds.disk_mb) << 20),
        remote: open_remote(config, store.as_ref()).await?,
        parallel: builds.parallel,
        queue_len: builds.queue_len,
        patience: Duration::from_secs(builds.deployment_timeout_s),
        max_artefact_bytes: builds.artefact_mb << 20,
        max_artefact_files: builds.artefact_files,
        max_output_bytes: builds.output_kb << 10,
        start_timeout: 3 * Duration::from_secs(config.pool.start_timeout_s),
        mirrors: Mirrors::of_machine(Variables::new(environment)).with(builds.env.clone(), files),
        broker,
        images: cloudbox_images::Policy {
            allow: config.images.allow.clone(),
            registries: config.images.registries.clone(),
            credentials: config.images.credentials.clone().or_else(docker_config),
            may_build: config.images.dockerfiles,
            may_run: config.images.run,
            is_offline: builds.offline,
            max_bytes: config.images.max_mb.map_or(defaults.images.max_bytes, |mb| mb << 20),
        },
        ..defaults
    };
    let deployer = Deployer::new(Arc::clone(store), driver.shared(), Arc::clone(catalogue), settings)?;
    Ok(Arc::new(deployer))
}
