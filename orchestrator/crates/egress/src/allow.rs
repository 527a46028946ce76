//! Which hosts may be reached: the `egress` of a function, and the operator's ceiling over all functions.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use crate::host::Host;

/// The ports of an entry of a function that names none: HTTP and HTTPS.
pub const USUAL_PORTS: [u16; 2] = [80, 443];
/// Entries of one list.
pub const MOST_ENTRIES: usize = 64;
/// Different ports of one list: the sandbox has a socket for each.
pub const MOST_PORTS: usize = 16;

/// One entry: `host[:port]`, where the host is a name, `*.domain`, an address, or `*` for every host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    hosts: Hosts,
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Hosts {
    Any,
    /// Every name below this one, at any depth, and not the name itself.
    Below(String),
    One(Host),
}

/// What is wrong with an entry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{entry:?} {problem}")]
pub struct InvalidEntry {
    /// As it was given.
    pub entry: String,
    /// What is wrong and what would be right.
    pub problem: String,
}

impl FromStr for Entry {
    type Err = InvalidEntry;

    fn from_str(text: &str) -> Result<Self, InvalidEntry> {
        let wrong = |problem: &str| InvalidEntry { entry: text.to_owned(), problem: problem.to_owned() };
        if text.contains("://") || text.contains('/') {
            return Err(wrong(
                "is a URL, a path or a network; give a host, such as api.example.com or api.example.com:8443",
            ));
        }
        let (host, port) =
            split_port(text).ok_or_else(|| wrong("has no port from 1 to 65535 after its colon"))?;
        let hosts = match host.strip_prefix("*.") {
            _ if host == "*" => Hosts::Any,
            Some(domain) => match Host::parse(domain) {
                Some(Host::Name(name)) => Hosts::Below(name),
                _ => return Err(wrong("has no domain after `*.`")),
            },
            None if host.contains('*') => {
                return Err(wrong(
                    "has `*` elsewhere than at its beginning; *.example.com is every name below it",
                ));
            }
            None => Hosts::One(Host::parse(host).ok_or_else(|| {
                wrong("is no host; give a name, *.domain or an address, with or without :port")
            })?),
        };
        Ok(Self { hosts, port })
    }
}

/// A bare IPv6 address has colons and no port.
fn split_port(text: &str) -> Option<(&str, Option<u16>)> {
    if text.parse::<IpAddr>().is_ok() {
        return Some((text, None));
    }
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port),
        _ => return Some((text, None)),
    };
    let is_number = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    let port = port.parse().ok().filter(|port| *port > 0 && is_number)?;
    Some((host, Some(port)))
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.hosts, self.port) {
            (Hosts::Any, _) => f.write_str("*")?,
            (Hosts::Below(name), _) => write!(f, "*.{name}")?,
            (Hosts::One(Host::Ip(IpAddr::V6(address))), Some(_)) => write!(f, "[{address}]")?,
            (Hosts::One(host), _) => host.fmt(f)?,
        }
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

impl Entry {
    /// The address, where it is one.
    #[must_use]
    pub const fn address(&self) -> Option<IpAddr> {
        match self.hosts {
            Hosts::One(Host::Ip(address)) => Some(address),
            _ => None,
        }
    }

    fn ports(&self) -> Vec<u16> {
        self.port.map_or(USUAL_PORTS.to_vec(), |port| vec![port])
    }

    fn has_host(&self, host: &Host) -> bool {
        match (&self.hosts, host) {
            (Hosts::Any, _) => true,
            (Hosts::Below(domain), Host::Name(name)) => is_below(name, domain),
            (Hosts::Below(_), Host::Ip(_)) => false,
            (Hosts::One(one), host) => one == host,
        }
    }

    /// As an entry of the operator's, where no port means every port: whether it allows all that `other` does.
    fn covers(&self, other: &Self) -> bool {
        let has_hosts = match &other.hosts {
            Hosts::Any => self.hosts == Hosts::Any,
            Hosts::Below(domain) => match &self.hosts {
                Hosts::Any => true,
                Hosts::Below(above) => domain == above || is_below(domain, above),
                Hosts::One(_) => false,
            },
            Hosts::One(host) => self.has_host(host),
        };
        has_hosts && self.port.is_none_or(|port| other.ports().iter().all(|wanted| *wanted == port))
    }
}

fn is_below(name: &str, domain: &str) -> bool {
    name.strip_suffix(domain).and_then(|rest| rest.strip_suffix('.')).is_some_and(|label| !label.is_empty())
}

/// What may be reached. Empty: nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowList(Vec<Entry>);

impl AllowList {
    /// From entries as they are written.
    ///
    /// # Errors
    /// The first that is wrong, or the one with which there are too many.
    pub fn parse<T: AsRef<str>>(texts: &[T]) -> Result<Self, InvalidEntry> {
        let entries = texts.iter().map(|text| text.as_ref().parse());
        let list = Self(entries.collect::<Result<Vec<Entry>, _>>()?);
        let too_many = |at: usize, limit: usize, what: &str| InvalidEntry {
            entry: texts[at].as_ref().to_owned(),
            problem: format!("is one too many: a list may have {limit} {what}"),
        };
        if list.0.len() > MOST_ENTRIES {
            return Err(too_many(MOST_ENTRIES, MOST_ENTRIES, "entries"));
        }
        let mut ports = BTreeSet::new();
        for (at, entry) in list.0.iter().enumerate() {
            ports.extend(entry.ports());
            if ports.len() > MOST_PORTS {
                return Err(too_many(at, MOST_PORTS, "different ports"));
            }
        }
        Ok(list)
    }

    /// An operator's list, which may have any number of entries and ports: no sandbox listens for it.
    ///
    /// # Errors
    /// The first entry that is wrong.
    pub fn ceiling<T: AsRef<str>>(texts: &[T]) -> Result<Self, InvalidEntry> {
        texts.iter().map(|text| text.as_ref().parse()).collect::<Result<_, _>>().map(Self)
    }

    /// Its entries, in their order.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.0
    }

    /// Whether nothing may be reached.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Every port that some entry names.
    #[must_use]
    pub fn ports(&self) -> BTreeSet<u16> {
        self.0.iter().flat_map(Entry::ports).collect()
    }

    /// Whether the host may be reached at some port.
    #[must_use]
    pub fn has_host(&self, host: &Host) -> bool {
        self.0.iter().any(|entry| entry.has_host(host))
    }

    /// Whether the host may be reached at this port.
    #[must_use]
    pub fn allows(&self, host: &Host, port: u16) -> bool {
        self.0.iter().any(|entry| entry.has_host(host) && entry.ports().contains(&port))
    }

    /// As the operator's ceiling, in which an entry without a port stands for every port: whether it allows all of `entry`.
    #[must_use]
    pub fn covers(&self, entry: &Entry) -> bool {
        self.0.iter().any(|own| own.covers(entry))
    }

    /// What is left of it below a ceiling.
    #[must_use]
    pub fn below(&self, ceiling: &Self) -> Self {
        Self(self.0.iter().filter(|entry| ceiling.covers(entry)).cloned().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(texts: &[&str]) -> AllowList {
        AllowList::parse(texts).unwrap()
    }

    fn host(text: &str) -> Host {
        Host::parse(text).unwrap()
    }

    #[test]
    fn an_entry_is_a_host_and_maybe_a_port() {
        for (text, shown) in [
            ("API.example.com", "api.example.com"),
            ("api.example.com:8443", "api.example.com:8443"),
            ("*.Example.org", "*.example.org"),
            ("*", "*"),
            ("*:5432", "*:5432"),
            ("93.184.216.34", "93.184.216.34"),
            ("93.184.216.34:22", "93.184.216.34:22"),
            ("2001:db8::1", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("[2001:db8::1]:443", "[2001:db8::1]:443"),
            // What would be read as another address is shown as that one.
            ("0x7f.1", "127.0.0.1"),
        ] {
            assert_eq!(text.parse::<Entry>().unwrap().to_string(), shown);
        }
    }

    #[test]
    fn what_is_no_entry_is_refused_by_name() {
        for (text, why) in [
            ("https://api.example.com", "URL"),
            ("api.example.com/v1", "path"),
            ("10.0.0.0/8", "network"),
            ("api.example.com:", "port"),
            ("api.example.com:0", "port"),
            ("api.example.com:65536", "port"),
            ("api.example.com:+80", "port"),
            ("api.example.com:https", "port"),
            ("api.*.com", "elsewhere"),
            ("*example.com", "elsewhere"),
            ("*.", "domain"),
            ("*.10.0.0.1", "domain"),
            ("*.*.com", "domain"),
            ("", "no host"),
            ("a b", "no host"),
            (" api.example.com", "no host"),
            ("user@host", "no host"),
        ] {
            let error = text.parse::<Entry>().unwrap_err();
            assert!(error.problem.contains(why), "{error}");
            assert_eq!(error.entry, text);
        }
    }

    #[test]
    fn a_host_is_allowed_at_the_ports_of_its_entries() {
        let list = list(&["api.example.com", "db.example.com:5432", "*.example.org", "93.184.216.34:22"]);
        assert_eq!(Vec::from_iter(list.ports()), [22, 80, 443, 5432]);
        for (name, port, is_allowed) in [
            ("api.example.com", 443, true),
            ("api.example.com", 80, true),
            ("api.example.com", 5432, false),
            ("db.example.com", 5432, true),
            ("db.example.com", 443, false),
            ("a.example.org", 443, true),
            ("a.b.example.org", 443, true),
            ("example.org", 443, false),
            ("evilexample.org", 443, false),
            ("93.184.216.34", 22, true),
            ("93.184.216.34", 443, false),
            ("example.com", 443, false),
        ] {
            assert_eq!(list.allows(&host(name), port), is_allowed, "{name}:{port}");
        }
        assert!(list.has_host(&host("db.example.com")) && !list.has_host(&host("example.com")));
    }

    #[test]
    fn lists_are_bounded() {
        let many: Vec<String> = (0..=MOST_ENTRIES).map(|number| format!("host{number}")).collect();
        assert_eq!(AllowList::parse(&many).unwrap_err().entry, "host64");
        assert!(AllowList::parse(&many[1..]).is_ok());
        let ports: Vec<String> = (1..=MOST_PORTS + 1).map(|port| format!("a:{port}")).collect();
        assert_eq!(AllowList::parse(&ports).unwrap_err().entry, "a:17");
        assert!(AllowList::parse(&ports[1..]).is_ok());
    }

    #[test]
    fn a_ceiling_without_ports_covers_every_port() {
        let covers = |ceiling: &[&str], entry: &str| list(ceiling).covers(&entry.parse().unwrap());
        assert!(covers(&["*"], "a.b:8443") && covers(&["*"], "*") && covers(&["*"], "10.0.0.1"));
        assert!(covers(&["*.b"], "a.b:8443") && covers(&["*.b"], "*.a.b") && covers(&["*.b"], "*.b"));
        assert!(!covers(&["*.b"], "b") && !covers(&["*.b"], "*") && !covers(&["*.a.b"], "*.b"));
        assert!(covers(&["a.b:443"], "a.b:443") && !covers(&["a.b:443"], "a.b"));
        assert!(!covers(&["a.b"], "*.a.b") && !covers(&[], "a.b"));
        let kept = list(&["a.b", "c.d:1", "e.f"]).below(&list(&["*.b", "c.d"]));
        assert_eq!(kept, list(&["a.b", "c.d:1"]));
    }
}
