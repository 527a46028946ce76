//! From settings to a service that has ended: start, one line that says so, serve, drain.

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use cloudbox_check::Reader;
use cloudbox_dispatch::Shares;
use cloudbox_http::api::Api;
use cloudbox_routes::Bounds;
use cloudbox_server::{Limits, Server, Timeouts};
use cloudbox_types::EgressRule;
use cloudbox_types::limits::Ranges;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::app::{App, BREAK_OFF, Ending, Shared};
use crate::config::{Config, Http};
use crate::{descriptors, logging, pool_metrics};

/// Runs the service until SIGTERM or SIGINT, and drains it: probes are answered to the end, new work is refused, and
/// what was accepted is answered. A second signal breaks off what runs, a third one ends the process as it is.
///
/// # Errors
/// It can't start: the reason and the remedy.
pub async fn serve(config: Config) -> anyhow::Result<()> {
    // Keys and functions' values are in this process's memory and environment: no core file, and no other process of the
    // user looks in.
    nix::sys::prctl::set_dumpable(false).context("protecting the process")?;
    logging::start(&config.log)?;
    let metrics = cloudbox_api::metrics::install();
    pool_metrics::describe();
    let mut http = config.http.clone();
    http.max_connections = descriptors::connections(descriptors::raise(), http.max_connections);
    // Before anything is made: a taken port is the commonest reason not to start.
    let server = Server::bind(config.listen, connections(&http)).await;
    let server = server.with_context(|| format!("listening on {}", config.listen))?;
    let ending = ended_by_signals()?;
    let app = App::start(config, ending.clone()).await?;
    let api = Arc::new(Api {
        store: Arc::clone(&app.store),
        table: Arc::clone(&app.table),
        backend: Arc::new(Shared(Arc::clone(&app))),
        packages: Arc::clone(app.deployer.packages()),
        admin_token: app.data_dir.admin_token.clone(),
        public_url: app.config.public_url.clone(),
        ranges: Ranges {
            egress: app.broker.clone().map(|broker| broker as Arc<dyn EgressRule>),
            ..app.config.limits.ranges()
        },
        max_request_bytes: app.config.limits.max_request_bytes,
        max_stream_bytes: app.config.limits.max_stream_bytes,
        shares: Shares::new(http.max_calls_per_project),
        started_at: app.started_at,
        closing: ending.closing.clone(),
        inline: Some(Arc::clone(&app.inline)),
        // Itself, also where its file was replaced meanwhile.
        reader: Reader::new("/proc/self/exe".into(), vec!["read-source".to_owned()]),
        metrics,
    });
    announce(&app, &server)?;
    let router = cloudbox_routes::build(api, bounds(&http, app.config.limits.max_request_bytes));
    let deaf = CancellationToken::new();
    tokio::join!(server.run(router, deaf.clone(), BREAK_OFF), async {
        ending.closing.cancelled().await;
        app.drain().await;
        deaf.cancel();
    });
    app.close().await;
    tracing::info!("everything is removed; good bye");
    Ok(())
}

fn bounds(http: &Http, max_request_bytes: usize) -> Bounds {
    Bounds {
        requests: http.max_requests,
        body_bytes_held: http.max_body_bytes_held,
        body_bytes: max_request_bytes,
        body_time: Duration::from_secs(http.request_body_timeout_s),
        body_pause: Duration::from_secs(http.request_body_idle_timeout_s),
    }
}

fn connections(http: &Http) -> Limits {
    Limits {
        connections: http.max_connections,
        connections_per_address: http.max_connections_per_address,
        timeouts: Timeouts {
            head: Duration::from_secs(http.request_head_timeout_s),
            answer: Duration::from_secs(http.response_idle_timeout_s),
            idle: Duration::from_secs(http.idle_timeout_s),
        },
    }
}

/// One line on stdout, for people and for programs that wait for it.
fn announce(app: &App, server: &Server) -> anyhow::Result<()> {
    if let Some(file) = &app.data_dir.new_token_file {
        tracing::info!(path = %file.display(), "an administrator's token was made");
    }
    let address = server.local_addr()?;
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "cloudbox is ready on http://{address} with {} sandboxes", app.driver.name())?;
    stdout.flush()?;
    Ok(())
}

fn ended_by_signals() -> anyhow::Result<Ending> {
    let ending = Ending::new();
    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let told = ending.clone();
    tokio::spawn(async move {
        for count in 1.. {
            tokio::select! {
                _ = term.recv() => {}
                _ = int.recv() => {}
            }
            match count {
                1 => tracing::info!("draining: no new work is taken; a second signal breaks off what runs"),
                2 => tracing::warn!("a second signal: what runs is broken off"),
                _ => {
                    // The inits see their control sockets close and end every sandbox; the next start sweeps the rest.
                    tracing::warn!("a third signal: ending as it is");
                    std::process::exit(130);
                }
            }
            told.next();
        }
    });
    Ok(ending)
}
