//! The way out of one sandbox: its name server, and whoever answers at its ports. All of it runs in the service; the
//! sockets alone belong to the sandbox's network.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::Arc;
use std::time::Duration;

use cloudbox_types::{AttemptOutcome, Attempts};
use parking_lot::Mutex;
use socket2::SockRef;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::gate::{DialError, Gate, PROXY_PORT};
use crate::host::Host;
use crate::ledger::{Flow, Ledger};
use crate::names::Names;
use crate::proxy::{self, Kind, Wish};
use crate::query::{MAX_QUERY, Query, Saying};
use crate::transfer::{End, transfer};

/// How long to wait when the machine has no descriptor left.
const TRY_AGAIN_AFTER: Duration = Duration::from_millis(50);
/// How long a client of the proxy may take to say what it wants.
const WISH_WITHIN: Duration = Duration::from_secs(30);

/// What a sandbox's init has made in its network: the name server's socket, and a listener for each of the gate's ports.
#[derive(Debug)]
pub struct Sockets {
    /// At 127.0.0.1, port 53.
    pub names: std::net::UdpSocket,
    /// At every address, each at one of the ports.
    pub listeners: Vec<std::net::TcpListener>,
}

/// The way out of one sandbox. Dropped, every connection ends.
#[derive(Debug)]
pub struct Outlet {
    shared: Arc<Shared>,
    _end: DropGuard,
}

#[derive(Debug)]
struct Shared {
    gate: Arc<Gate>,
    names: Mutex<Names>,
    ledger: Mutex<Ledger>,
    /// Connections that this sandbox may have at once.
    places: Arc<Semaphore>,
    end: CancellationToken,
}

impl Outlet {
    /// Serves a sandbox's sockets. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// A socket can't be used.
    pub fn open(gate: &Arc<Gate>, sockets: Sockets) -> io::Result<Self> {
        let end = CancellationToken::new();
        let shared = Arc::new(Shared {
            gate: Arc::clone(gate),
            names: Mutex::default(),
            ledger: Mutex::default(),
            places: Arc::new(Semaphore::new(gate.bounds().connections)),
            end: end.clone(),
        });
        sockets.names.set_nonblocking(true)?;
        let names = UdpSocket::from_std(sockets.names)?;
        let mut listeners = Vec::new();
        for listener in sockets.listeners {
            listener.set_nonblocking(true)?;
            listeners.push(TcpListener::from_std(listener)?);
        }
        shared.spawn(Arc::clone(&shared).serve_names(names));
        for listener in listeners {
            shared.spawn(Arc::clone(&shared).accept(listener));
        }
        Ok(Self { shared, _end: end.drop_guard() })
    }

    /// What the sandbox tried to reach since the last time it was asked for.
    #[must_use]
    pub fn take(&self) -> Attempts {
        self.shared.ledger.lock().take()
    }
}

impl Shared {
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let end = self.end.clone();
        drop(tokio::spawn(async move { end.run_until_cancelled_owned(task).await }));
    }

    /// Answers name queries, one after the other: none of them waits for anything.
    async fn serve_names(self: Arc<Self>, socket: UdpSocket) {
        let mut message = [0; MAX_QUERY];
        loop {
            // An answer that found its asker gone comes back as an error here.
            let Ok((len, asker)) = socket.recv_from(&mut message).await else { continue };
            let answer = match Query::read(&message[..len]) {
                Ok(query) => Some(query.answer(self.say(&query))),
                Err(answer) => answer,
            };
            if let Some(answer) = answer {
                let _ = socket.send_to(&answer, asker).await;
            }
        }
    }

    fn say(&self, query: &Query<'_>) -> Saying {
        let Some(host) = &query.host else { return Saying::NoName };
        if !self.gate.allowed().has_host(host) {
            self.ledger.lock().refuse_name(&host.to_string());
            return Saying::NoName;
        }
        if !query.wants_address {
            return Saying::Nothing;
        }
        Saying::Address(self.names.lock().address(&host.to_string()))
    }

    async fn accept(self: Arc<Self>, listener: TcpListener) {
        loop {
            let Ok((stream, _)) = listener.accept().await else {
                sleep(TRY_AGAIN_AFTER).await;
                continue;
            };
            // Whoever comes beyond the bounds waits in the kernel, whose queue is bounded, too.
            let Ok(place) = Arc::clone(&self.places).acquire_owned().await else { return };
            let Ok(common) = Arc::clone(&self.gate.broker().connections).acquire_owned().await else {
                return;
            };
            self.spawn(Arc::clone(&self).serve(stream, [place, common]));
        }
    }

    /// One connection of the function's.
    async fn serve(self: Arc<Self>, mut stream: TcpStream, _places: [OwnedSemaphorePermit; 2]) {
        let is_orderly = match stream.local_addr() {
            Ok(SocketAddr::V4(at)) if *at.ip() == Ipv4Addr::LOCALHOST && at.port() == PROXY_PORT => {
                match timeout(WISH_WITHIN, proxy::read(&mut stream)).await {
                    Ok(Ok(wish)) => self.grant(&mut stream, &wish).await,
                    Ok(Err(Some(why))) => proxy::refuse(&mut stream, why.status, &why.text).await,
                    Ok(Err(None)) | Err(_) => false,
                }
            }
            // At any other address than a name's, nobody is there.
            Ok(SocketAddr::V4(at)) => match self.name(at) {
                Some(wish) => self.grant(&mut stream, &wish).await,
                None => false,
            },
            _ => false,
        };
        if !is_orderly {
            // The function is to see that something went wrong.
            let _ = SockRef::from(&stream).set_linger(Some(Duration::ZERO));
        }
    }

    /// What is meant by one of the addresses that names have here.
    fn name(&self, at: SocketAddrV4) -> Option<Wish> {
        let name = self.names.lock().name(*at.ip())?;
        Some(Wish::plain(Host::Name(name.as_ref().to_owned()), at.port()))
    }

    /// Connects the function to where it wants; whether it ended in order.
    async fn grant(&self, stream: &mut TcpStream, wish: &Wish) -> bool {
        let flow = self.ledger.lock().begin(wish.host.to_string(), Some(wish.port));
        match self.gate.dial(&wish.host, wish.port).await {
            Ok((mut host, address)) => {
                flow.connected(address.ip());
                let end = self.carry(stream, &mut host, wish, &flow).await;
                flow.end((end == End::Limited).then_some(AttemptOutcome::Limited), None);
                end == End::Done
            }
            Err(error) => {
                tracing::debug!(egress.host = %wish.host, egress.port = wish.port,
                    error = &error as &dyn std::error::Error, "a function did not reach a host");
                let address = if let DialError::Failed(address, _) = &error { Some(*address) } else { None };
                flow.end(Some(error.outcome()), address);
                match wish.kind {
                    Kind::Plain => false,
                    Kind::Tunnel | Kind::Request => {
                        let (status, text) = proxy::explain(wish, &error);
                        proxy::refuse(stream, status, &text).await
                    }
                }
            }
        }
    }

    async fn carry(&self, stream: &mut TcpStream, host: &mut TcpStream, wish: &Wish, flow: &Flow) -> End {
        let _ = stream.set_nodelay(true);
        if wish.kind == Kind::Tunnel && stream.write_all(proxy::CONNECTED).await.is_err() {
            return End::Broken;
        }
        let end = transfer(stream, host, &wish.first, (flow, &self.gate.bounds())).await;
        if end != End::Done {
            let _ = SockRef::from(&*host).set_linger(Some(Duration::ZERO));
        }
        end
    }
}
