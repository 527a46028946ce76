//! The addresses that names have inside one sandbox. They lead nowhere but to the broker, which knows the name by them.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::sync::Arc;

/// The first address; the ones after it follow. All of 127.0.0.0/8 is the sandbox's own loopback device.
const BASE: u32 = Ipv4Addr::new(127, 64, 0, 0).to_bits();
/// Names that a sandbox remembers. Beyond, the oldest one's address is given to the next.
const MOST: usize = 4096;

/// Which name has which address.
#[derive(Debug, Default)]
pub(crate) struct Names {
    /// By the address's place behind the base.
    given: Vec<Arc<str>>,
    places: HashMap<Arc<str>, usize>,
    /// The place that is given away next, when all are.
    oldest: usize,
}

impl Names {
    /// The name's address, always the same one as long as it is remembered.
    pub(crate) fn address(&mut self, name: &str) -> Ipv4Addr {
        if let Some(place) = self.places.get(name) {
            return address(*place);
        }
        let name: Arc<str> = name.into();
        let place = if self.given.len() < MOST {
            self.given.push(name.clone());
            self.given.len() - 1
        } else {
            let place = self.oldest;
            self.oldest = (place + 1) % MOST;
            let before = std::mem::replace(&mut self.given[place], name.clone());
            self.places.remove(&before);
            place
        };
        self.places.insert(name, place);
        address(place)
    }

    /// The name that was given this address.
    pub(crate) fn name(&self, address: Ipv4Addr) -> Option<Arc<str>> {
        let place = address.to_bits().checked_sub(BASE + 1)?;
        self.given.get(usize::try_from(place).ok()?).cloned()
    }
}

fn address(place: usize) -> Ipv4Addr {
    let place = u32::try_from(place).unwrap_or(u32::MAX >> 16);
    Ipv4Addr::from_bits(BASE + 1 + place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_keeps_its_address_and_is_found_by_it() {
        let mut names = Names::default();
        let first = names.address("a.b");
        let second = names.address("c.d");
        assert_eq!((first, second), (Ipv4Addr::new(127, 64, 0, 1), Ipv4Addr::new(127, 64, 0, 2)));
        assert_eq!(names.address("a.b"), first);
        assert_eq!(names.name(second).as_deref(), Some("c.d"));
        for address in ["127.64.0.0", "127.64.0.3", "127.0.0.1", "127.255.255.255", "0.0.0.0"] {
            assert_eq!(names.name(address.parse().unwrap()), None);
        }
    }

    #[test]
    fn names_are_bounded() {
        let mut names = Names::default();
        let addresses: Vec<_> = (0..MOST).map(|number| names.address(&format!("n{number}"))).collect();
        assert!(addresses.iter().all(|address| address.octets()[..2] == [127, 64]));
        assert_eq!(names.address("one"), addresses[0]);
        assert_eq!(names.address("two"), addresses[1]);
        assert_eq!(names.name(addresses[0]).as_deref(), Some("one"));
        assert_eq!(names.name(addresses[2]).as_deref(), Some("n2"));
        assert_eq!(names.address("n0"), addresses[2], "it was forgotten, and is a new one");
        assert_eq!((names.given.len(), names.places.len()), (MOST, MOST));
    }
}
