//! A site for functions to reach: HTTP and HTTPS at an address of the loopback device, as the operator allows it.
//!
//! It answers each request with what the request was: as a line of text, or as JSON.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;

/// A running site. It ends with its runtime.
#[derive(Debug)]
pub struct Site {
    /// The port of HTTP.
    pub plain: u16,
    /// The port of HTTPS.
    pub secure: u16,
    /// The certificate's authority, as PEM.
    pub authority: String,
}

impl Site {
    /// One that answers with text: HTTP and HTTPS at ports that the system chooses.
    ///
    /// # Panics
    /// The address can't be had.
    pub async fn of_text(name: &str, address: Ipv4Addr) -> Self {
        let (acceptor, authority) = acceptor(name);
        let plain = serve(None, SocketAddr::from((address, 0)), false).await;
        let secure = serve(Some(acceptor), SocketAddr::from((address, 0)), false).await;
        Self { plain, secure, authority }
    }

    /// One that answers with JSON: HTTPS at this port, HTTP at another one.
    ///
    /// # Panics
    /// The address or the port can't be had; the usual ports are root's.
    pub async fn of_json(name: &str, address: Ipv4Addr, port: u16) -> Self {
        let (acceptor, authority) = acceptor(name);
        let plain = serve(None, SocketAddr::from((address, 0)), true).await;
        let secure = serve(Some(acceptor), SocketAddr::from((address, port)), true).await;
        Self { plain, secure, authority }
    }
}

/// TLS with a certificate of its own making, and its authority.
fn acceptor(name: &str) -> (TlsAcceptor, String) {
    let signed = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    let key = PrivatePkcs8KeyDer::from(signed.signing_key.serialize_der());
    let config = ServerConfig::builder_with_provider(Arc::new(
        tokio_rustls::rustls::crypto::aws_lc_rs::default_provider(),
    ));
    let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let config = config.with_single_cert(vec![signed.cert.der().clone()], key.into()).unwrap();
    (TlsAcceptor::from(Arc::new(config)), signed.cert.pem())
}

async fn serve(tls: Option<TlsAcceptor>, at: SocketAddr, is_json: bool) -> u16 {
    let listener = TcpListener::bind(at).await.unwrap_or_else(|error| panic!("{at}: {error}"));
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let tls = tls.clone();
            tokio::spawn(async move {
                match tls {
                    None => answer(stream, is_json).await,
                    Some(tls) => match tls.accept(stream).await {
                        Ok(stream) => answer(stream, is_json).await,
                        Err(_) => None,
                    },
                }
            });
        }
    });
    port
}

/// Answers each request of a connection with its method, path and body; in JSON also with its credential.
async fn answer(stream: impl AsyncRead + AsyncWrite + Unpin, is_json: bool) -> Option<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let (mut first, mut len, mut authorization) = (String::new(), 0, String::new());
        stream.read_line(&mut first).await.ok().filter(|read| *read > 0)?;
        loop {
            let mut line = String::new();
            stream.read_line(&mut line).await.ok()?;
            let Some((name, value)) = line.split_once(':') else { break };
            match name.to_ascii_lowercase().as_str() {
                "content-length" => len = value.trim().parse().ok()?,
                "authorization" => value.trim().clone_into(&mut authorization),
                _ => {}
            }
        }
        let mut body = vec![0; len];
        stream.read_exact(&mut body).await.ok()?;
        let what = first.trim_end().trim_end_matches(" HTTP/1.1");
        let body = String::from_utf8_lossy(&body);
        let (kind, text) = if is_json {
            let (method, path) = what.split_once(' ')?;
            let seen =
                json!({ "method": method, "path": path, "authorization": authorization, "body": body });
            ("application/json", seen.to_string())
        } else {
            ("text/plain", format!("{what} {body}"))
        };
        let head =
            format!("HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n", text.len());
        stream.write_all((head + &text).as_bytes()).await.ok()?;
        stream.flush().await.ok()?;
    }
}
