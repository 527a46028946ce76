//! What is the same for all sandboxes: the operator's rules, names as this machine resolves them, and bounds.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use cloudbox_types::EgressRule;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::address::AddressRule;
use crate::allow::AllowList;

/// Lookups at once: each holds a thread for as long as the machine's name servers take.
const LOOKUPS: usize = 128;
/// Connections at once, of all sandboxes together: two descriptors and two small buffers each.
const CONNECTIONS: usize = 4096;

/// Finds the addresses of a name. Blocks.
pub type Lookup = Arc<dyn Fn(&str) -> io::Result<Vec<IpAddr>> + Send + Sync>;

/// What bounds connections.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Connections of one sandbox at once; more wait.
    pub connections: usize,
    /// Bytes of one connection, both ways together.
    pub bytes: u64,
    /// How long a connection may be without a byte.
    pub idle: Duration,
    /// How long resolving and connecting may take together.
    pub connect: Duration,
}

/// What the operator says.
#[derive(Clone)]
pub struct Settings {
    /// What functions may have in their lists; an entry without a port stands for every port.
    pub ceiling: AllowList,
    /// Which addresses there may be.
    pub addresses: AddressRule,
    /// Names with addresses of the operator's choosing, lower case.
    pub hosts: HashMap<String, Vec<IpAddr>>,
    /// Of connections.
    pub bounds: Bounds,
    /// For the other names: usually [`system_lookup`].
    pub lookup: Lookup,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("ceiling", &self.ceiling)
            .field("addresses", &self.addresses)
            .field("hosts", &self.hosts)
            .field("bounds", &self.bounds)
            .finish_non_exhaustive()
    }
}

/// As this machine resolves names: its hosts file, its name servers.
#[must_use]
pub fn system_lookup() -> Lookup {
    Arc::new(|name| Ok((name, 0).to_socket_addrs()?.map(|address| address.ip()).collect()))
}

/// Opens the way out of sandboxes, as the operator allows.
#[derive(Debug)]
pub struct Broker {
    pub(crate) settings: Settings,
    pub(crate) connections: Arc<Semaphore>,
    lookups: Arc<Semaphore>,
}

impl Broker {
    /// A broker with these rules.
    #[must_use]
    pub fn new(settings: Settings) -> Arc<Self> {
        let (lookups, connections) = (Semaphore::new(LOOKUPS), Semaphore::new(CONNECTIONS));
        Arc::new(Self { settings, lookups: Arc::new(lookups), connections: Arc::new(connections) })
    }

    /// What stands against the entries, each compared with the ceiling.
    fn judge(&self, list: &[String]) -> Result<(), (usize, String)> {
        let found = AllowList::parse(list).map_err(|error| {
            let place = list.iter().position(|text| *text == error.entry).unwrap_or_default();
            (place, error.to_string())
        })?;
        for (place, entry) in found.entries().iter().enumerate() {
            if !self.settings.ceiling.covers(entry) {
                let allowed: Vec<String> =
                    self.settings.ceiling.entries().iter().map(ToString::to_string).collect();
                let allowed = if allowed.is_empty() { "nothing".to_owned() } else { allowed.join(", ") };
                return Err((
                    place,
                    format!("\"{entry}\" is not allowed by the operator; allowed: {allowed}"),
                ));
            }
            if entry.address().is_some_and(|address| !self.settings.addresses.permits_in_settings(address)) {
                return Err((
                    place,
                    format!(
                        "\"{entry}\" is not a public address; the operator can allow it with egress.allow_private"
                    ),
                ));
            }
        }
        Ok(())
    }

    /// The addresses of a name, in the order to try them.
    pub(crate) async fn resolve(&self, name: &str, within: Duration) -> io::Result<Vec<IpAddr>> {
        if let Some(addresses) = self.settings.hosts.get(name) {
            return Ok(addresses.clone());
        }
        let lookups = Arc::clone(&self.lookups);
        let (lookup, name) = (Arc::clone(&self.settings.lookup), name.to_owned());
        let looked_up = async move {
            let permit = lookups.acquire_owned().await.map_err(io::Error::other)?;
            // The thread keeps its place when nobody waits for it any more, so there are never more of them.
            let lookup = move || (lookup(&name), drop(permit)).0;
            tokio::task::spawn_blocking(lookup).await.map_err(io::Error::other)?
        };
        timeout(within, looked_up).await?
    }

    /// Those of the addresses that a connection may go to.
    pub(crate) fn permitted(&self, addresses: Vec<IpAddr>, port: u16) -> Vec<SocketAddr> {
        let addresses = addresses.into_iter().map(|address| address.to_canonical());
        let permitted = addresses.filter(|address| self.settings.addresses.permits(*address));
        permitted.map(|address| SocketAddr::new(address, port)).collect()
    }
}

impl EgressRule for Broker {
    fn problem(&self, list: &[String]) -> Option<(usize, String)> {
        self.judge(list).err()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broker(ceiling: &[&str], private: &[&str]) -> Arc<Broker> {
        let bounds = Bounds { connections: 1, bytes: 1, idle: Duration::MAX, connect: Duration::MAX };
        Broker::new(Settings {
            ceiling: AllowList::parse(ceiling).unwrap(),
            addresses: AddressRule::new(private.iter().map(|net| net.parse().unwrap()).collect()),
            hosts: HashMap::new(),
            bounds,
            lookup: system_lookup(),
        })
    }

    #[test]
    fn a_list_is_judged_entry_by_entry() {
        let problem = |ceiling: &[&str], private: &[&str], list: &[&str]| {
            let list: Vec<String> = list.iter().map(|text| (*text).to_owned()).collect();
            broker(ceiling, private).problem(&list)
        };
        assert_eq!(problem(&["*"], &[], &["api.example.com", "*.example.org:8443", "*"]), None);
        let (place, why) = problem(&["*"], &[], &["api.example.com", "https://a"]).unwrap();
        assert!(place == 1 && why.contains("\"https://a\" is a URL"), "{why}");
        let (place, why) = problem(&["*.example.com"], &[], &["a.example.com", "example.org"]).unwrap();
        assert_eq!(
            (place, why.as_str()),
            (1, "\"example.org\" is not allowed by the operator; allowed: *.example.com")
        );
        for private in [
            "10.0.0.1",
            "127.0.0.1:8080",
            "[::1]:80",
            "::ffff:10.0.0.1",
            "169.254.169.254",
            "0x7f.1",
            "2130706433",
        ] {
            let (_, why) = problem(&["*"], &[], &[private]).unwrap();
            assert!(why.contains("not a public address"), "{private}: {why}");
        }
        assert_eq!(problem(&["*"], &["10.0.0.0/8"], &["10.0.0.1:80"]), None);
    }
}
