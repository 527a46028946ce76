//! The way out of sandboxes.
//!
//! A sandbox's network is its own and has a loopback device alone. For a function with an allow-list, its init makes
//! sockets in there and hands them to the service: a name server's, and a listener for each port. A name that is
//! allowed gets an address of the loopback device; who connects to that address is connected by the service, outside,
//! to the name's real one. So nothing of this runs in the sandbox, and what code there can't look up it can't reach.
//!
//! [`Broker`] is the service's, a [`Gate`] a version's, an [`Outlet`] a sandbox's. Whatever comes in by the sockets is
//! hostile.

pub mod address;
pub mod allow;
pub mod broker;
pub mod gate;
pub mod host;
pub mod outlet;

mod ledger;
mod names;
mod proxy;
mod query;
mod transfer;

pub use address::AddressRule;
pub use allow::{AllowList, Entry, InvalidEntry};
pub use broker::{Bounds, Broker, Settings, system_lookup};
pub use gate::{DialError, Gate, NAMES_PORT, PROXY_PORT};
pub use host::Host;
pub use outlet::{Outlet, Sockets};
