//! An index of packages for npm and pip: HTTPS by a certificate of its own making, behind a proxy as companies have one.

use std::collections::HashMap;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;

use crate::pack::{tgz, zip};

/// The name of the index, which leads nowhere but through the proxy.
const HOST: &str = "packages.test";

/// What `tiny` of npm does when it is installed, if it may: a shell runs it, and a program of its own.
const SCRIPT: &str = "node -e \"require('fs').writeFileSync('ran', 'x')\" && test -f ran && echo done > ran";

type Pages = HashMap<String, (&'static str, Vec<u8>)>;

/// A running index, which has the package `tiny` in version 1.0.0. It ends with its runtime.
#[derive(Debug)]
pub struct Index {
    /// The port of the proxy, at 127.0.0.1.
    pub proxy: u16,
    /// The certificate's authority, as PEM.
    pub authority: String,
}

impl Index {
    /// Starts one.
    ///
    /// # Panics
    /// No port can be had.
    pub async fn start() -> Self {
        let (acceptor, authority) = acceptor();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = listener.local_addr().unwrap().port();
        let pages = Arc::new(pages());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, acceptor.clone(), Arc::clone(&pages)));
            }
        });
        Self { proxy, authority }
    }

    /// npm's registry.
    #[must_use]
    pub fn npm(&self) -> String {
        format!("https://{HOST}/npm/")
    }

    /// pip's index.
    #[must_use]
    pub fn pip(&self) -> String {
        format!("https://{HOST}/simple/")
    }
}

/// TLS by a certificate that an authority of its own has signed, and that authority.
fn acceptor() -> (TlsAcceptor, String) {
    let mut company = CertificateParams::default();
    company.distinguished_name.push(DnType::CommonName, "The company");
    company.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let company = CertifiedIssuer::self_signed(company, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let signed = CertificateParams::new([HOST.to_owned()]).unwrap().signed_by(&key, &company).unwrap();
    let key = PrivatePkcs8KeyDer::from(key.serialize_der());
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()));
    let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let config = config.with_single_cert(vec![signed.der().clone()], key.into()).unwrap();
    (TlsAcceptor::from(Arc::new(config)), company.pem())
}

fn pages() -> Pages {
    let archive = format!("https://{HOST}/npm/tiny/-/tiny-1.0.0.tgz");
    let version = json!({ "name": "tiny", "version": "1.0.0", "dist": { "tarball": archive }, "hasInstallScript": true,
        "scripts": { "postinstall": SCRIPT } });
    let about =
        json!({ "name": "tiny", "dist-tags": { "latest": "1.0.0" }, "versions": { "1.0.0": version } });
    let package = tgz(&[
        ("package/package.json", &about["versions"]["1.0.0"].to_string()),
        ("package/index.js", "module.exports = 'tiny of npm';\n"),
    ]);
    let wheel = zip(&[
        ("tiny.py", "name = 'tiny of pip'\n"),
        ("tiny-1.0.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0.0\n"),
        (
            "tiny-1.0.0.dist-info/WHEEL",
            "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        ),
        (
            "tiny-1.0.0.dist-info/RECORD",
            "tiny.py,,\ntiny-1.0.0.dist-info/METADATA,,\ntiny-1.0.0.dist-info/WHEEL,,\n\
             tiny-1.0.0.dist-info/RECORD,,\n",
        ),
    ]);
    let name = "tiny-1.0.0-py3-none-any.whl";
    let list = format!("<!DOCTYPE html><html><body><a href=\"/files/{name}\">{name}</a></body></html>");
    HashMap::from([
        ("/npm/tiny".to_owned(), ("application/json", about.to_string().into_bytes())),
        ("/npm/tiny/-/tiny-1.0.0.tgz".to_owned(), ("application/octet-stream", package)),
        ("/simple/tiny/".to_owned(), ("text/html", list.into_bytes())),
        (format!("/files/{name}"), ("application/octet-stream", wheel)),
    ])
}

/// One connection: what the proxy is asked for, and what is said inside.
async fn serve(stream: TcpStream, acceptor: TlsAcceptor, pages: Arc<Pages>) -> Option<()> {
    let mut stream = BufReader::new(stream);
    if request(&mut stream).await? != format!("CONNECT {HOST}:443") {
        return stream.write_all(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n").await.ok();
    }
    stream.write_all(b"HTTP/1.1 200 Connected\r\n\r\n").await.ok()?;
    let mut stream = BufReader::new(acceptor.accept(stream).await.ok()?);
    loop {
        let asked = request(&mut stream).await?;
        let (status, (kind, body)) = match pages.get(asked.strip_prefix("GET ")?) {
            Some((kind, body)) => ("200 OK", (*kind, body.as_slice())),
            None => ("404 Not Found", ("text/plain", &b"nothing here"[..])),
        };
        let head =
            format!("HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n", body.len());
        stream.write_all(head.as_bytes()).await.ok()?;
        stream.write_all(body).await.ok()?;
        stream.flush().await.ok()?;
    }
}

/// Method and target of the next request, which has no body.
async fn request(stream: &mut (impl AsyncRead + AsyncWrite + AsyncBufReadExt + Unpin)) -> Option<String> {
    let mut first = String::new();
    stream.read_line(&mut first).await.ok().filter(|read| *read > 0)?;
    let mut line = String::new();
    while stream.read_line(&mut line).await.ok()? > 2 {
        line.clear();
    }
    first.trim_end().rsplit_once(' ').map(|(asked, _)| asked.to_owned())
}
