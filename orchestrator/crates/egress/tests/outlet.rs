//! An outlet over sockets of this machine in place of a sandbox's: what is asked of it, and what it lists.

#![expect(clippy::unwrap_used, reason = "a test may panic where it can't go on")]

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cloudbox_egress::{
    AddressRule, AllowList, Bounds, Broker, Outlet, Settings, Sockets, broker::Lookup, system_lookup,
};
use cloudbox_types::{Attempt, AttemptOutcome};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::time::timeout;

/// The end of every wait, however slow the machine is.
const END: Duration = Duration::from_secs(60);

/// A function's side of an outlet.
struct Inside {
    outlet: Outlet,
    names: SocketAddr,
}

/// Rules of a test.
struct Rules {
    allowed: Vec<String>,
    private: &'static str,
    bounds: Bounds,
    lookup: Lookup,
}

impl Rules {
    /// One host at one port, whose address is the test's own.
    fn new(port: u16) -> Self {
        Self {
            allowed: vec![format!("site.test:{port}")],
            private: "127.0.0.1/32",
            bounds: Bounds { connections: 10, bytes: 1 << 20, idle: END, connect: END },
            lookup: Arc::new(|_| Ok(vec![Ipv4Addr::LOCALHOST.into()])),
        }
    }

    /// The port is the listener's: what a sandbox has at port 443, this one has there.
    fn open(self, listener: std::net::TcpListener) -> Inside {
        let broker = Broker::new(Settings {
            ceiling: AllowList::parse(&["*"]).unwrap(),
            addresses: AddressRule::new(vec![self.private.parse().unwrap()]),
            hosts: HashMap::new(),
            bounds: self.bounds,
            lookup: self.lookup,
        });
        let gate = broker.gate(&AllowList::parse(&self.allowed).unwrap()).unwrap();
        let names = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let at = names.local_addr().unwrap();
        Inside {
            outlet: Outlet::open(&gate, Sockets { names, listeners: vec![listener] }).unwrap(),
            names: at,
        }
    }
}

/// A listener of the outlet's, its port, and a host at the same one.
async fn places() -> (std::net::TcpListener, u16, TcpListener) {
    loop {
        // At the address of the first name alone: the host that it leads to is at 127.0.0.1.
        let listener = std::net::TcpListener::bind("127.64.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        // Somebody else on this machine may have it.
        if let Ok(host) = TcpListener::bind(("127.0.0.1", port)).await {
            return (listener, port, host);
        }
    }
}

impl Inside {
    /// The address of a name, where it has one.
    async fn look_up(&self, name: &str) -> Option<Ipv4Addr> {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let mut query = vec![0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        for label in name.split('.') {
            query.push(u8::try_from(label.len()).unwrap());
            query.extend_from_slice(label.as_bytes());
        }
        query.extend_from_slice(&[0, 0, 1, 0, 1]);
        socket.send_to(&query, self.names).await.unwrap();
        let mut answer = [0; 512];
        let len = timeout(END, socket.recv(&mut answer)).await.unwrap().unwrap();
        let address: [u8; 4] = answer[len - 4..len].try_into().unwrap();
        (answer[7] == 1).then(|| address.into())
    }

    /// A connection to the name, as a client makes it.
    async fn connect(&self, port: u16) -> TcpStream {
        let address = self.look_up("site.test").await.unwrap();
        TcpStream::connect((address, port)).await.unwrap()
    }

    /// The attempts, when there are some.
    async fn attempts(&self) -> Vec<Attempt> {
        let listed = async {
            loop {
                let listed = self.outlet.take().listed;
                if !listed.is_empty() {
                    return listed;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(END, listed).await.unwrap()
    }
}

/// How a connection ends, for who reads it.
async fn end(mut stream: TcpStream) -> io::Result<Vec<u8>> {
    let mut read = Vec::new();
    timeout(END, stream.read_to_end(&mut read)).await.unwrap().map(|_| read)
}

#[tokio::test]
async fn bytes_go_to_and_fro_and_are_counted() {
    let (listener, port, host) = places().await;
    let inside = Rules::new(port).open(listener);
    let mut stream = inside.connect(port).await;
    stream.write_all(b"question").await.unwrap();
    stream.shutdown().await.unwrap();
    let (mut accepted, _) = host.accept().await.unwrap();
    let mut question = String::new();
    accepted.read_to_string(&mut question).await.unwrap();
    accepted.write_all(b"an answer").await.unwrap();
    drop(accepted);
    assert_eq!((question.as_str(), end(stream).await.unwrap()), ("question", b"an answer".to_vec()));
    let [attempt] = &inside.attempts().await[..] else { panic!("one attempt") };
    assert_eq!((attempt.host.as_str(), attempt.port), ("site.test", Some(port)));
    assert_eq!((attempt.bytes_up, attempt.bytes_down, attempt.outcome), (8, 9, AttemptOutcome::Ok));
    assert_eq!(attempt.address, Some(Ipv4Addr::LOCALHOST.into()));
}

#[tokio::test]
async fn names_that_are_not_allowed_are_not_found() {
    let (listener, port, _host) = places().await;
    let inside = Rules::new(port).open(listener);
    assert_eq!(inside.look_up("other.test").await, None);
    assert_eq!(inside.look_up("below.site.test").await, None);
    assert_eq!(inside.look_up("SITE.test").await, Some(Ipv4Addr::new(127, 64, 0, 1)));
    let refused: Vec<_> = inside.attempts().await.into_iter().map(|told| (told.host, told.outcome)).collect();
    let refusal = |host: &str| (host.to_owned(), AttemptOutcome::Refused);
    assert_eq!(refused, [refusal("other.test"), refusal("below.site.test")]);
}

/// A name that leads to a public address for who looks, and to another one for who connects.
#[tokio::test]
async fn g10_a_name_is_resolved_once_for_each_connection() {
    let (listener, port, host) = places().await;
    let trap = TcpListener::bind(("127.0.0.2", port)).await.unwrap();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let lookup: Lookup = Arc::new(move |_| {
        let first = count.fetch_add(1, Ordering::SeqCst) == 0;
        Ok(vec![if first { Ipv4Addr::LOCALHOST } else { Ipv4Addr::new(127, 0, 0, 2) }.into()])
    });
    let inside = Rules { lookup, ..Rules::new(port) }.open(listener);
    let stream = inside.connect(port).await;
    drop(timeout(END, host.accept()).await.unwrap().unwrap());
    assert_eq!((end(stream).await.unwrap(), asked.load(Ordering::SeqCst)), (Vec::new(), 1));
    assert_eq!(inside.attempts().await[0].outcome, AttemptOutcome::Ok);
    // From now on it leads to what is not allowed.
    assert!(end(inside.connect(port).await).await.is_err(), "reset");
    assert_eq!(inside.attempts().await[0].outcome, AttemptOutcome::RefusedAddress);
    assert!(timeout(Duration::ZERO, trap.accept()).await.is_err(), "nobody has connected there");
}

#[tokio::test]
async fn g10_what_is_not_public_is_left_out() {
    let (listener, port, host) = places().await;
    let refused = ["10.0.0.1", "169.254.169.254", "127.0.0.2", "::1", "::ffff:10.0.0.1", "fd00::1"];
    let refused: Vec<IpAddr> = refused.iter().map(|address| address.parse().unwrap()).collect();
    // Its last one is allowed, and is the one that is connected to.
    let mut addresses = refused.clone();
    addresses.push("::ffff:127.0.0.1".parse().unwrap());
    let lookup: Lookup = Arc::new(move |_| Ok(addresses.clone()));
    let inside = Rules { lookup, ..Rules::new(port) }.open(listener);
    let stream = inside.connect(port).await;
    drop(timeout(END, host.accept()).await.unwrap().unwrap());
    assert!(end(stream).await.unwrap().is_empty(), "connected, and ended in order");
    let attempt = &inside.attempts().await[0];
    assert_eq!(attempt.address, Some(Ipv4Addr::LOCALHOST.into()));
}

#[tokio::test]
async fn numbers_that_are_addresses_are_judged_as_these() {
    for name in ["2130706433", "0x7f.1", "127.1", "0177.0.0.1", "localhost"] {
        let (listener, port, _host) = places().await;
        let rules = Rules { allowed: vec![format!("*:{port}")], lookup: system_lookup(), ..Rules::new(port) };
        let inside = Rules { private: "192.0.2.0/24", ..rules }.open(listener);
        let address = inside.look_up(name).await.unwrap();
        let stream = TcpStream::connect((address, port)).await.unwrap();
        assert!(end(stream).await.is_err(), "{name}");
        assert_eq!(inside.attempts().await[0].outcome, AttemptOutcome::RefusedAddress, "{name}");
    }
}

#[tokio::test]
async fn what_goes_wrong_is_told_apart() {
    let none: Lookup = Arc::new(|_| Ok(Vec::new()));
    let error: Lookup = Arc::new(|_| Err(io::ErrorKind::NotFound.into()));
    let nobody: Lookup = Arc::new(|_| Ok(vec![Ipv4Addr::LOCALHOST.into()]));
    for (lookup, outcome) in [
        (none, AttemptOutcome::Unresolved),
        (error, AttemptOutcome::Unresolved),
        (nobody, AttemptOutcome::Failed),
    ] {
        let (listener, port, host) = places().await;
        drop(host);
        let inside = Rules { lookup, ..Rules::new(port) }.open(listener);
        assert!(end(inside.connect(port).await).await.is_err());
        assert_eq!(inside.attempts().await[0].outcome, outcome);
    }
}

#[tokio::test]
async fn a_connection_is_bounded_in_bytes_and_silence() {
    let usual = Rules::new(1).bounds;
    for bounds in [Bounds { bytes: 1000, ..usual }, Bounds { idle: Duration::from_millis(50), ..usual }] {
        let (listener, port, host) = places().await;
        let inside = Rules { bounds, ..Rules::new(port) }.open(listener);
        let mut stream = inside.connect(port).await;
        if bounds.bytes == 1000 {
            stream.write_all(&[0; 1001]).await.unwrap();
        }
        let (accepted, _) = timeout(END, host.accept()).await.unwrap().unwrap();
        assert!(end(stream).await.is_err() && end(accepted).await.is_err());
        let limited = async {
            while !inside.outlet.take().listed.iter().any(|told| told.outcome == AttemptOutcome::Limited) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(END, limited).await.unwrap();
    }
}

#[tokio::test]
async fn connections_beyond_the_bound_wait_and_end_with_the_outlet() {
    let (listener, port, host) = places().await;
    let bounds = Bounds { connections: 2, ..Rules::new(port).bounds };
    let inside = Rules { bounds, ..Rules::new(port) }.open(listener);
    let mut streams = Vec::new();
    for _ in 0..5 {
        streams.push(inside.connect(port).await);
    }
    let first = timeout(END, host.accept()).await.unwrap().unwrap().0;
    let second = timeout(END, host.accept()).await.unwrap().unwrap().0;
    assert!(timeout(Duration::from_millis(100), host.accept()).await.is_err(), "a third one");
    drop(first);
    drop(streams.remove(0));
    drop(streams.remove(0));
    let third = timeout(END, host.accept()).await.unwrap().unwrap().0;
    drop(inside);
    for stream in [second, third] {
        drop(end(stream).await);
    }
    for stream in streams {
        drop(end(stream).await);
    }
}
