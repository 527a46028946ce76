//! Connections of one address: counted as long as they are open.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::OwnedSemaphorePermit;

/// Open connections by address.
#[derive(Clone)]
pub(super) struct Addresses {
    open: Arc<Mutex<HashMap<IpAddr, usize>>>,
    max: usize,
}

impl Addresses {
    pub(super) fn new(max: usize) -> Self {
        Self { open: Arc::default(), max }
    }

    /// Counts a connection in; none where its address has too many.
    pub(super) fn admit(&self, address: IpAddr, permit: OwnedSemaphorePermit) -> Option<Connection> {
        let mut open = self.open.lock();
        let count = open.entry(address).or_default();
        if *count >= self.max {
            return None;
        }
        *count += 1;
        metrics::gauge!("cloudbox_http_connections").increment(1.0);
        Some(Connection { addresses: self.clone(), address, _permit: permit })
    }
}

/// One open connection; counted out when it is dropped.
pub(super) struct Connection {
    addresses: Addresses,
    address: IpAddr,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Connection {
    fn drop(&mut self) {
        metrics::gauge!("cloudbox_http_connections").decrement(1.0);
        let mut open = self.addresses.open.lock();
        if let Some(count) = open.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.address);
            }
        }
    }
}
