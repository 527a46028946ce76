//! Accepts connections and serves them, with limits and timeouts that no client can stretch.
//!
//! Down: the listener closes, idle connections close at once, those with a request when it is answered.

mod limits;
mod watch;

use std::convert::Infallible;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use limits::{Addresses, Connection};
use watch::{Activity, Watched};

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

/// A listening server.
pub struct Server {
    listener: TcpListener,
    /// One permit per connection; without one, connections wait in the kernel's backlog.
    permits: Arc<Semaphore>,
    addresses: Addresses,
}

impl Server {
    /// Listens. Connections wait until [`Server::run`].
    ///
    /// # Errors
    /// The address is taken, or isn't this machine's.
    pub async fn bind(
        address: SocketAddr,
        max_connections: usize,
        max_per_address: usize,
    ) -> std::io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let permits = Arc::new(Semaphore::new(max_connections));
        Ok(Self { listener, permits, addresses: Addresses::new(max_per_address) })
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
            let Some((stream, connection)) = accepted else { continue };
            let (router, builder, watcher) = (router.clone(), Arc::clone(&builder), graceful.watcher());
            tokio::spawn(async move {
                let activity = Activity::new();
                let service = service(router, Arc::clone(&activity));
                let io = TokioIo::new(Watched::new(stream, Arc::clone(&activity)));
                let serving = builder.serve_connection(io, service).into_owned();
                tokio::select! {
                    served = watcher.watch(serving) => if let Err(error) = served {
                        tracing::trace!(error = error.as_ref(), "a connection broke");
                    },
                    () = activity.over() => tracing::trace!("a connection waited too long"),
                }
                drop(connection);
            });
        }
        drop(self.listener);
        if tokio::time::timeout(grace, graceful.shutdown()).await.is_err() {
            tracing::warn!("connections are cut off at the end of the grace period");
        }
    }

    /// The next connection, with what it counts against; none where it can't be served.
    async fn accept(&self) -> Option<(TcpStream, Connection)> {
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
        Some((stream, connection))
    }
}

/// The router, with each request noted as the connection's.
fn service(
    router: Router,
    activity: Arc<Activity>,
) -> impl hyper::service::Service<
    hyper::Request<hyper::body::Incoming>,
    Response = axum::response::Response,
    Error = Infallible,
    Future: Send,
> {
    let router = TowerToHyperService::new(router);
    hyper::service::service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
        let in_flight = activity.begin(request.version() == http::Version::HTTP_2);
        let answering = hyper::service::Service::call(&router, request);
        async move {
            let answer = answering.await;
            drop(in_flight);
            answer
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
