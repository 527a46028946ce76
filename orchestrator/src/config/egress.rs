//! `[egress]`: the way out of sandboxes.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use cloudbox_egress::{AddressRule, AllowList, Bounds, Broker, Host, Settings, system_lookup};
use serde::Deserialize;

use super::Error;

/// `[egress]`: what functions may reach outside their sandboxes. Nothing without an entry in their own `egress`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Egress {
    /// Whether there is a way out at all.
    pub enabled: bool,
    /// The entries that functions may have: `host[:port]`, `*.domain`, `*`; without a port, at every port.
    pub allowed: Vec<String>,
    /// Networks that may be reached though they are not public, such as `10.1.0.0/16`.
    pub allow_private: Vec<String>,
    /// Names with addresses of their own, beside what this machine's name servers say.
    pub hosts: BTreeMap<String, IpAddr>,
    /// Open connections of one sandbox; more wait.
    pub max_connections: usize,
    /// MB of one connection, both ways together.
    pub max_mb: u64,
    /// Seconds that a connection may be without a byte.
    pub idle_timeout_s: u64,
    /// Seconds that a name's resolving and the connecting may take together.
    pub connect_timeout_s: u64,
}

impl Default for Egress {
    fn default() -> Self {
        Self {
            enabled: true,
            allowed: vec!["*".to_owned()],
            allow_private: Vec::new(),
            hosts: BTreeMap::new(),
            max_connections: 100,
            max_mb: 1024,
            idle_timeout_s: 300,
            connect_timeout_s: 10,
        }
    }
}

impl Egress {
    /// The broker with these settings; none where it is switched off.
    ///
    /// # Errors
    /// Names the key that can't be read.
    pub fn broker(&self) -> Result<Option<Arc<Broker>>, Error> {
        let wrong = |key: &str, why: String| Error::Wrong { key: key.to_owned(), why };
        let ceiling = AllowList::ceiling(&self.allowed);
        let ceiling = ceiling.map_err(|error| wrong("egress.allowed", error.to_string()))?;
        let mut networks = Vec::new();
        for text in &self.allow_private {
            let network = text.parse().map_err(|_| {
                wrong(
                    "egress.allow_private",
                    format!("{text:?} is no network, such as 10.1.0.0/16 or fd00::/8"),
                )
            })?;
            networks.push(network);
        }
        let mut hosts = HashMap::new();
        for (name, address) in &self.hosts {
            let Some(Host::Name(known)) = Host::parse(name) else {
                return Err(wrong(&format!("egress.hosts.{name}"), "is no name of a host".to_owned()));
            };
            hosts.insert(known, vec![*address]);
        }
        let settings = Settings {
            ceiling,
            addresses: AddressRule::new(networks),
            hosts,
            bounds: Bounds {
                connections: self.max_connections,
                bytes: self.max_mb << 20,
                idle: Duration::from_secs(self.idle_timeout_s),
                connect: Duration::from_secs(self.connect_timeout_s),
            },
            lookup: system_lookup(),
        };
        Ok(self.enabled.then(|| Broker::new(settings)))
    }
}
