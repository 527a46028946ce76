//! A package registry that takes connections and never says a word: what waits for it is in the middle of its work.

use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// It takes connections until it is dropped.
#[derive(Debug)]
pub struct SilentRegistry {
    /// Where it listens, for pip.
    pub url: String,
    taking: JoinHandle<()>,
}

impl SilentRegistry {
    /// Listens at a free port.
    ///
    /// # Panics
    /// There is none.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/simple", listener.local_addr().unwrap());
        let taking = tokio::spawn(async move {
            let mut taken = Vec::new();
            while let Ok((stream, _)) = listener.accept().await {
                taken.push(stream);
            }
        });
        Self { url, taking }
    }
}

impl Drop for SilentRegistry {
    fn drop(&mut self) {
        self.taking.abort();
    }
}
