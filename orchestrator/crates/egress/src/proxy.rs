//! The HTTP proxy inside a sandbox, for clients that are told of one: `CONNECT`, and requests with a whole URL. One
//! request a connection: what follows it belongs to the same host, so there is nothing to read again.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Duration, timeout};
use url::Url;

use crate::gate::DialError;
use crate::host::Host;

/// Bytes of a request's head.
const MAX_HEAD: usize = 16 << 10;
/// Headers of a request.
const MAX_HEADERS: usize = 100;
/// What of a request is still read when it was refused, so that the refusal arrives.
const LINGER_BYTES: usize = 256 << 10;
const LINGER: Duration = Duration::from_secs(1);

/// What a tunnel begins with.
pub(crate) const CONNECTED: &[u8] = b"HTTP/1.1 200 Connection established\r\n\r\n";

/// How a connection came to be wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// By an address that stands for a name.
    Plain,
    /// By `CONNECT`.
    Tunnel,
    /// By a request with a whole URL.
    Request,
}

/// What a connection is to reach.
#[derive(Debug)]
pub(crate) struct Wish {
    pub host: Host,
    pub port: u16,
    pub kind: Kind,
    /// What is to be sent there first.
    pub first: Vec<u8>,
}

/// Why a request can't be served.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub status: &'static str,
    pub text: String,
}

impl Wish {
    pub(crate) const fn plain(host: Host, port: u16) -> Self {
        Self { host, port, kind: Kind::Plain, first: Vec::new() }
    }
}

/// Reads a request's head and what came with it.
///
/// # Errors
/// What to answer; nothing where the client has gone.
pub(crate) async fn read(stream: &mut TcpStream) -> Result<Wish, Option<Refusal>> {
    let mut read = Vec::with_capacity(1024);
    loop {
        let len = stream.read_buf(&mut read).await.map_err(|_| None)?;
        if len == 0 {
            return Err(None);
        }
        if let Some(wish) = parse(&read).map_err(Some)? {
            return Ok(wish);
        }
        if read.len() > MAX_HEAD {
            return Err(Some(refusal("431 Request Header Fields Too Large", "the head is over 16 KiB")));
        }
    }
}

/// What is wanted; none where the head isn't whole yet.
fn parse(read: &[u8]) -> Result<Option<Wish>, Refusal> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    let bad = |text: &str| refusal("400 Bad Request", text);
    let len = match request.parse(read) {
        Ok(httparse::Status::Complete(len)) => len,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(error) => return Err(bad(&error.to_string())),
    };
    let (method, target) = (request.method.unwrap_or_default(), request.path.unwrap_or_default());
    if method == "CONNECT" {
        let (host, port) = authority(target).ok_or_else(|| bad("CONNECT wants host:port"))?;
        return Ok(Some(Wish { host, port, kind: Kind::Tunnel, first: read[len..].to_vec() }));
    }
    let url = Url::parse(target).map_err(|_| bad("this is a proxy: it wants a whole URL, or CONNECT"))?;
    if url.scheme() != "http" {
        return Err(refusal("501 Not Implemented", "only http:// is forwarded; for https:// use CONNECT"));
    }
    let host = url.host_str().and_then(Host::parse).ok_or_else(|| bad("the URL has no host"))?;
    let port = url.port_or_known_default().unwrap_or(80);
    let mut first = head(method, &url, request.headers);
    first.extend_from_slice(&read[len..]);
    Ok(Some(Wish { host, port, kind: Kind::Request, first }))
}

fn authority(target: &str) -> Option<(Host, u16)> {
    let (host, port) = target.rsplit_once(':')?;
    Some((Host::parse(host)?, port.parse().ok().filter(|port| *port > 0)?))
}

/// The head as the host is to see it. The connection is for this request alone, unless it becomes something else.
fn head(method: &str, url: &Url, headers: &[httparse::Header<'_>]) -> Vec<u8> {
    let path = &url[url::Position::BeforePath..url::Position::AfterQuery];
    let mut head = format!("{method} {path} HTTP/1.1\r\n").into_bytes();
    let is_upgrade = headers.iter().any(|header| header.name.eq_ignore_ascii_case("upgrade"));
    for header in headers {
        let is_hop = ["proxy-connection", "proxy-authorization", "keep-alive"]
            .iter()
            .any(|name| header.name.eq_ignore_ascii_case(name));
        let is_connection = header.name.eq_ignore_ascii_case("connection") && !is_upgrade;
        if !is_hop && !is_connection {
            head.extend_from_slice(header.name.as_bytes());
            head.extend_from_slice(b": ");
            head.extend_from_slice(header.value);
            head.extend_from_slice(b"\r\n");
        }
    }
    if !is_upgrade {
        head.extend_from_slice(b"Connection: close\r\n");
    }
    head.extend_from_slice(b"\r\n");
    head
}

fn refusal(status: &'static str, text: &str) -> Refusal {
    Refusal { status, text: text.to_owned() }
}

/// What a client is told that wanted something it can't have.
pub(crate) fn explain(wish: &Wish, error: &DialError) -> (&'static str, String) {
    let status = match error {
        DialError::Refused | DialError::RefusedAddress => "403 Forbidden",
        DialError::Unresolved(_) | DialError::Failed(..) => "502 Bad Gateway",
    };
    (status, format!("{} port {}: {error}", wish.host, wish.port))
}

/// Answers with an error of the proxy's own; whether the client can have read it.
pub(crate) async fn refuse(stream: &mut TcpStream, status: &str, text: &str) -> bool {
    let len = text.len() + 1;
    let answer = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {len}\r\n\
         Connection: close\r\n\r\n{text}\n"
    );
    let told = async {
        stream.write_all(answer.as_bytes()).await?;
        stream.shutdown().await?;
        // A connection that is closed with something unread takes the answer back.
        let (mut left, mut unread) = (LINGER_BYTES, [0; 4096]);
        while left > 0 {
            match stream.read(&mut unread).await? {
                0 => break,
                len => left = left.saturating_sub(len),
            }
        }
        io::Result::Ok(())
    };
    timeout(LINGER, told).await.is_ok_and(|told| told.is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(head: &str) -> Wish {
        parse(head.as_bytes()).unwrap().unwrap()
    }

    #[test]
    fn a_tunnel_is_for_a_host_and_a_port() {
        let wish = parsed("CONNECT api.example.com:8443 HTTP/1.1\r\nHost: x\r\n\r\nhello");
        assert_eq!(
            (wish.host.to_string().as_str(), wish.port, wish.kind),
            ("api.example.com", 8443, Kind::Tunnel)
        );
        assert_eq!(wish.first, b"hello");
        assert_eq!(parsed("CONNECT [::1]:443 HTTP/1.1\r\n\r\n").host, Host::parse("::1").unwrap());
        for target in ["api.example.com", "api.example.com:0", ":443", "a b:443", "*:443"] {
            assert!(parse(format!("CONNECT {target} HTTP/1.1\r\n\r\n").as_bytes()).is_err(), "{target}");
        }
    }

    #[test]
    fn a_request_loses_what_is_the_proxys() {
        let wish = parsed(
            "POST http://User:pw@Example.com:8080/a/b?c=d HTTP/1.1\r\nHost: example.com\r\nProxy-Connection: \
             keep-alive\r\nConnection: keep-alive\r\nProxy-Authorization: secret\r\nContent-Length: 2\r\n\r\nhi",
        );
        assert_eq!((wish.host.to_string().as_str(), wish.port), ("example.com", 8080));
        assert_eq!(
            String::from_utf8(wish.first).unwrap(),
            "POST /a/b?c=d HTTP/1.1\r\nHost: example.com\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi"
        );
        assert_eq!(parsed("GET http://example.com HTTP/1.0\r\n\r\n").port, 80);
        let upgrade = parsed("GET http://a/ HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
        assert!(String::from_utf8(upgrade.first).unwrap().contains("Connection: Upgrade"));
    }

    #[test]
    fn other_requests_are_refused() {
        for (head, status) in [
            ("GET / HTTP/1.1\r\n\r\n", "400"),
            ("GET https://example.com/ HTTP/1.1\r\n\r\n", "501"),
            ("GET ftp://example.com/ HTTP/1.1\r\n\r\n", "501"),
            ("\x16\x03\x01\x02 HTTP/1.1\r\n\r\n", "400"),
        ] {
            assert!(parse(head.as_bytes()).unwrap_err().status.starts_with(status), "{head:?}");
        }
        assert!(parse(b"GET http://example.com/ HT").unwrap().is_none());
    }
}
