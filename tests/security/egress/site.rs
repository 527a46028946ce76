//! A site for functions to reach: HTTP and HTTPS at an address of the loopback device, as the operator allows it.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;

/// The name that the certificate is for.
pub const NAME: &str = "site.test";
/// The network that the operator allows.
pub const NETWORK: &str = "127.77.0.0/16";
/// Where the site is.
pub const ADDRESS: Ipv4Addr = Ipv4Addr::new(127, 77, 0, 1);

/// A running site. It ends with its runtime.
pub struct Site {
    /// The port of HTTP.
    pub plain: u16,
    /// The port of HTTPS.
    pub secure: u16,
    /// The certificate's authority, as PEM.
    pub authority: String,
}

impl Site {
    /// Serves at ports that the system chooses.
    pub async fn start() -> Self {
        let signed = rcgen::generate_simple_self_signed([NAME.to_owned()]).unwrap();
        let authority = signed.cert.pem();
        let key = PrivatePkcs8KeyDer::from(signed.signing_key.serialize_der());
        let config = ServerConfig::builder_with_provider(Arc::new(
            tokio_rustls::rustls::crypto::aws_lc_rs::default_provider(),
        ));
        let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
        let config = config.with_single_cert(vec![signed.cert.der().clone()], key.into()).unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        Self { plain: serve(None).await, secure: serve(Some(acceptor)).await, authority }
    }
}

async fn serve(tls: Option<TlsAcceptor>) -> u16 {
    let listener = TcpListener::bind(SocketAddr::from((ADDRESS, 0))).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let tls = tls.clone();
            tokio::spawn(async move {
                match tls {
                    None => answer(stream).await,
                    Some(tls) => match tls.accept(stream).await {
                        Ok(stream) => answer(stream).await,
                        Err(_) => None,
                    },
                }
            });
        }
    });
    port
}

/// Answers each request of a connection with its method, path and body.
async fn answer(stream: impl AsyncRead + AsyncWrite + Unpin) -> Option<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let (mut first, mut len) = (String::new(), 0);
        stream.read_line(&mut first).await.ok().filter(|read| *read > 0)?;
        loop {
            let mut line = String::new();
            stream.read_line(&mut line).await.ok()?;
            let line = line.trim_end().to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(text) = line.strip_prefix("content-length:") {
                len = text.trim().parse().ok()?;
            }
        }
        let mut body = vec![0; len];
        stream.read_exact(&mut body).await.ok()?;
        let what = first.trim_end().trim_end_matches(" HTTP/1.1");
        let text = format!("{what} {}", String::from_utf8_lossy(&body));
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{text}", text.len());
        stream.write_all(head.as_bytes()).await.ok()?;
        stream.flush().await.ok()?;
    }
}
