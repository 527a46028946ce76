//! The way out for the sandboxes of one version: what is asked for is compared with the list, then resolved, then the
//! addresses are judged, and the connection goes to one of those that were.

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use cloudbox_types::AttemptOutcome;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use crate::allow::AllowList;
use crate::broker::{Bounds, Broker};
use crate::host::Host;

/// The port of the HTTP proxy inside a sandbox, at 127.0.0.1.
pub const PROXY_PORT: u16 = 3128;
/// The port of the name server inside a sandbox, at 127.0.0.1.
pub const NAMES_PORT: u16 = 53;

/// The variables with which clients find a proxy; libraries differ in which case they read.
const PROXY_VARIABLES: [&str; 4] = ["HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"];
const NO_PROXY_VARIABLES: [&str; 2] = ["NO_PROXY", "no_proxy"];

/// An allow-list, and the broker that it is for.
#[derive(Debug)]
pub struct Gate {
    broker: Arc<Broker>,
    allowed: AllowList,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// The list has no entry for it.
    #[error("it is not in the function's egress")]
    Refused,
    /// Its addresses may not be reached.
    #[error("its address is not a public one")]
    RefusedAddress,
    /// The name has no address.
    #[error("its name has no address")]
    Unresolved(#[source] io::Error),
    /// Nobody answered, at the address that was tried last.
    #[error("it does not answer")]
    Failed(IpAddr, #[source] io::Error),
}

impl DialError {
    /// As an attempt is listed.
    #[must_use]
    pub const fn outcome(&self) -> AttemptOutcome {
        match self {
            Self::Refused => AttemptOutcome::Refused,
            Self::RefusedAddress => AttemptOutcome::RefusedAddress,
            Self::Unresolved(_) => AttemptOutcome::Unresolved,
            Self::Failed(..) => AttemptOutcome::Failed,
        }
    }
}

impl Broker {
    /// The way out for sandboxes with this list; none where nothing of it is allowed.
    #[must_use]
    pub fn gate(self: &Arc<Self>, list: &AllowList) -> Option<Arc<Gate>> {
        let allowed = list.below(&self.settings.ceiling);
        (!allowed.is_empty()).then(|| Arc::new(Gate { broker: Arc::clone(self), allowed }))
    }
}

impl Gate {
    /// What may be reached.
    #[must_use]
    pub const fn allowed(&self) -> &AllowList {
        &self.allowed
    }

    /// The TCP ports on which a sandbox listens for it, the proxy's included.
    #[must_use]
    pub fn ports(&self) -> BTreeSet<u16> {
        let mut ports = self.allowed.ports();
        ports.insert(PROXY_PORT);
        ports
    }

    /// Variables that a function needs besides, with their values. Names need none; an address can be reached by the proxy
    /// alone, so with one in the list, clients are told of the proxy, and to go past it with names.
    #[must_use]
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        let entries = self.allowed.entries();
        if entries.iter().all(|entry| entry.address().is_none()) {
            return Vec::new();
        }
        let proxy = format!("http://127.0.0.1:{PROXY_PORT}");
        let names = entries.iter().filter(|entry| entry.address().is_none()).filter_map(|entry| {
            let entry = entry.to_string();
            let host = entry.split(':').next().unwrap_or_default();
            // Clients take a name to mean all below it, too; none of them knows `*.`.
            (host != "*").then(|| host.trim_start_matches('*').to_owned())
        });
        let past: Vec<String> =
            ["localhost".to_owned(), "127.0.0.1".to_owned()].into_iter().chain(names).collect();
        let past = past.join(",");
        let proxies = PROXY_VARIABLES.map(|name| (name, proxy.clone()));
        proxies.into_iter().chain(NO_PROXY_VARIABLES.map(|name| (name, past.clone()))).collect()
    }

    /// Connects to a host, as a function with this list may. The address that is connected to is the one that was judged.
    ///
    /// # Errors
    /// Why not.
    pub async fn dial(&self, host: &Host, port: u16) -> Result<(TcpStream, SocketAddr), DialError> {
        if !self.allowed.allows(host, port) {
            return Err(DialError::Refused);
        }
        let within = self.bounds().connect;
        let until = Instant::now() + within;
        let addresses = match host {
            Host::Ip(address) => vec![*address],
            Host::Name(name) => self.broker.resolve(name, within).await.map_err(DialError::Unresolved)?,
        };
        if addresses.is_empty() {
            return Err(DialError::Unresolved(io::ErrorKind::NotFound.into()));
        }
        let permitted = self.broker.permitted(addresses, port);
        let mut error = DialError::RefusedAddress;
        for address in permitted {
            match timeout_at(until, TcpStream::connect(address)).await.unwrap_or_else(|late| Err(late.into()))
            {
                Ok(stream) => {
                    stream.set_nodelay(true).map_err(|why| DialError::Failed(address.ip(), why))?;
                    return Ok((stream, address));
                }
                Err(why) => error = DialError::Failed(address.ip(), why),
            }
        }
        Err(error)
    }

    pub(crate) fn broker(&self) -> &Broker {
        &self.broker
    }

    pub(crate) fn bounds(&self) -> Bounds {
        self.broker.settings.bounds
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::time::Duration;

    use super::*;
    use crate::address::AddressRule;
    use crate::broker::{Settings, system_lookup};

    #[test]
    fn a_list_of_which_nothing_is_allowed_any_more_opens_nothing() {
        let broker = Broker::new(Settings {
            ceiling: AllowList::parse(&["*.example.com"]).unwrap(),
            addresses: AddressRule::new(Vec::new()),
            hosts: HashMap::new(),
            bounds: Bounds { connections: 1, bytes: 1, idle: Duration::MAX, connect: Duration::MAX },
            lookup: system_lookup(),
        });
        let gate = |list: &[&str]| broker.gate(&AllowList::parse(list).unwrap());
        assert!(gate(&["example.org"]).is_none() && gate(&[]).is_none());
        assert_eq!(gate(&["example.org", "a.example.com"]).unwrap().allowed().entries().len(), 1);
    }
}
