//! Accepts connections and serves them, with limits and timeouts that no client can stretch.
//!
//! Down: the listener closes, idle connections close at once, those with a request when it is answered.

mod limits;
mod strict;
mod watch;
mod watched;

use std::convert::Infallible;
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use cloudbox_turns::Task;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use limits::{Addresses, Connection};
use watch::Activity;
use watched::{Answer, Watched};

/// Headers of a request.
const MAX_HEADERS: usize = 100;
/// Bytes of a request's head.
const MAX_HEAD_BYTES: usize = 64 << 10;
/// Requests at once on one HTTP/2 connection.
const H2_STREAMS: u32 = 128;
/// Bytes of an HTTP/2 request's headers.
const H2_HEADER_BYTES: u32 = 16 << 10;
/// Streams that a client may reset before it is cut off.
const H2_RESETS: usize = 20;
/// Bytes that wait to be sent on one HTTP/2 connection.
const H2_SEND_BYTES: usize = 1 << 20;
/// How often a silent HTTP/2 client is asked whether it is there, and how long it may take to say so.
const H2_PING: (Duration, Duration) = (Duration::from_secs(20), Duration::from_secs(10));
/// How long to wait when the process has no descriptor left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How many connections may be open, and how long they may wait.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Open connections; more wait in the kernel's backlog.
    pub connections: usize,
    /// Open connections of one address; more are closed at once.
    pub connections_per_address: usize,
    /// What ends a connection.
    pub timeouts: Timeouts,
}

impl Default for Limits {
    fn default() -> Self {
        Self { connections: 10_000, connections_per_address: 256, timeouts: Timeouts::default() }
    }
}

/// How long a connection may wait for its client.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// For the whole head of a request.
    pub head: Duration,
    /// For a client that takes no byte of its answer.
    pub answer: Duration,
    /// For the next request.
    pub idle: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { head: Duration::from_secs(10), answer: Duration::from_secs(30), idle: Duration::from_secs(75) }
    }
}

/// A listening server.
pub struct Server {
    listener: TcpListener,
    /// One permit per connection; without one, connections wait in the kernel's backlog.
    permits: Arc<Semaphore>,
    addresses: Addresses,
    timeouts: Timeouts,
}

impl Server {
    /// Listens. Connections wait until [`Server::run`].
    ///
    /// # Errors
    /// The address is taken, or isn't this machine's.
    pub async fn bind(address: SocketAddr, limits: Limits) -> std::io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let permits = Arc::new(Semaphore::new(limits.connections));
        let addresses = Addresses::new(limits.connections_per_address);
        Ok(Self { listener, permits, addresses, timeouts: limits.timeouts })
    }

    /// Where it listens; the port is known here even where 0 was asked for.
    ///
    /// # Errors
    /// The socket's.
    pub fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until `closing`, then until every open request is answered, at most for `grace`.
    pub async fn run(self, router: Router, closing: CancellationToken, grace: Duration) {
        let builder = Arc::new(builder());
        let graceful = GracefulShutdown::new();
        while let Some(accepted) = closing.run_until_cancelled(self.accept()).await {
            let Some((stream, peer, connection)) = accepted else { continue };
            let (router, builder, watcher) = (router.clone(), Arc::clone(&builder), graceful.watcher());
            let activity = Activity::new(self.timeouts);
            tokio::spawn(Task::new(async move {
                let service = service(router, peer, Arc::clone(&activity));
                let io = TokioIo::new(Watched::new(stream, Arc::clone(&activity)));
                let serving = builder.serve_connection(io, service).into_owned();
                tokio::select! {
                    served = watcher.watch(serving) => if let Err(error) = served {
                        tracing::trace!(error = error.as_ref(), "a connection broke");
                    },
                    () = activity.over() => tracing::trace!("a connection waited too long"),
                }
                drop(connection);
            }));
        }
        drop(self.listener);
        if tokio::time::timeout(grace, graceful.shutdown()).await.is_err() {
            tracing::warn!("connections are cut off at the end of the grace period");
        }
    }

    /// The next connection, with what it counts against; none where it can't be served.
    async fn accept(&self) -> Option<(TcpStream, IpAddr, Connection)> {
        let permit = Arc::clone(&self.permits).acquire_owned().await.ok()?;
        let (stream, peer) = match self.listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                if !matches!(error.kind(), ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset) {
                    tracing::warn!(error = &error as &dyn std::error::Error, "can't accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
                return None;
            }
        };
        let connection = self.addresses.admit(peer.ip(), permit)?;
        // An answer is one small write: waiting for more of it would cost up to 40 ms.
        stream.set_nodelay(true).ok()?;
        Some((stream, peer.ip(), connection))
    }
}

/// The router, with each request noted as the connection's, and with the address that it comes from among its extensions.
fn service(
    router: Router,
    peer: IpAddr,
    activity: Arc<Activity>,
) -> impl hyper::service::Service<
    hyper::Request<hyper::body::Incoming>,
    Response = http::Response<Answer>,
    Error = Infallible,
    Future: Send,
> {
    let router = TowerToHyperService::new(router);
    hyper::service::service_fn(move |mut request: hyper::Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(peer);
        let in_flight = activity.begin(request.version() == http::Version::HTTP_2);
        let problem = strict::problem(&request);
        let answering = problem.is_none().then(|| hyper::service::Service::call(&router, request));
        async move {
            let answer = match answering {
                Some(answering) => answering.await?,
                None => strict::refusal(problem.unwrap_or_default()),
            };
            Ok(answer.map(|body| Answer::new(body, in_flight)))
        }
    })
}

fn builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        // `watch` has the timeouts: one for heads, another one for silence.
        .header_read_timeout(None)
        .max_headers(MAX_HEADERS)
        .max_buf_size(MAX_HEAD_BYTES)
        .keep_alive(true);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(H2_STREAMS)
        .max_header_list_size(H2_HEADER_BYTES)
        .max_pending_accept_reset_streams(H2_RESETS)
        .max_send_buf_size(H2_SEND_BYTES)
        .keep_alive_interval(H2_PING.0)
        .keep_alive_timeout(H2_PING.1);
    builder
}

#[cfg(test)]
mod tests;
