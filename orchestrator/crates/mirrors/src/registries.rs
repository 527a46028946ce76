//! The way out of installations: the hosts of the package mirrors, and no others.
//!
//! A mirror may be anywhere, in a private network, too, since the operator has named it. What a package names can't be
//! reached, wherever it is.

use std::collections::{BTreeSet, HashMap};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use cloudbox_egress::broker::Lookup;
use cloudbox_egress::{AddressRule, AllowList, Bounds, Broker, Gate, system_lookup};
use regex::Regex;

use crate::Mirrors;

/// Every address: what a mirror's name leads to is the operator's choice, but for [`is_metadata`].
const ANYWHERE: [&str; 2] = ["0.0.0.0/0", "::/0"];

/// Where AWS has its metadata in IPv6.
const AWS_METADATA: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);

/// What bounds an installation's connections.
const BOUNDS: Bounds = Bounds {
    connections: 64,
    bytes: 2 << 30,
    idle: Duration::from_secs(120),
    connect: Duration::from_secs(30),
};

/// A host in a URL, with its port.
static URL: LazyLock<Regex> = LazyLock::new(|| {
    let url = r#"(?i)(https?)://(?:[^/@\s"']*@)?(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::(\d+))?"#;
    Regex::new(url).expect("it is a constant, and tests use it")
});
/// An address in a URL without encryption, or in what npm calls a registry's settings.
static LITERAL: LazyLock<Regex> = LazyLock::new(|| {
    let literal = r#"(?im)(http://(?:[^/@\s"']*@)?|^\s*//)(localhost|\d+\.\d+\.\d+\.\d+)([:/|,;\s"']|$)"#;
    Regex::new(literal).expect("it is a constant, and tests use it")
});

/// What an installation is given to reach the registries.
#[derive(Clone, Debug)]
pub struct Registries {
    broker: Arc<Broker>,
    /// Of the operator's own mirrors.
    hosts: BTreeSet<String>,
}

impl Registries {
    /// The way to these mirrors and further hosts.
    #[must_use]
    pub fn new(mirrors: &Mirrors, further: &[String]) -> Self {
        let mut hosts: BTreeSet<String> = further.iter().cloned().collect();
        let mut names = HashMap::new();
        let texts = mirrors.env.values().cloned();
        let files = mirrors
            .files
            .iter()
            .filter_map(|(here, inside)| Some(mirrors.expanded(inside, std::fs::read_to_string(here).ok()?)));
        for text in texts.chain(files) {
            for found in LITERAL.captures_iter(&text) {
                names.insert(alias(&found[2]), vec![address(&found[2])]);
            }
            hosts.extend(hosts_in(&named(&text)));
        }
        if let Some(database) = mirrors.env.get("GOSUMDB") {
            let name = database.split([' ', '+']).next().unwrap_or_default();
            hosts.extend(Some(name.to_owned()).filter(|name| name.contains('.')));
        }
        let networks = ANYWHERE.iter().filter_map(|network| network.parse().ok());
        let settings = cloudbox_egress::Settings {
            ceiling: AllowList::ceiling(&["*"]).unwrap_or_default(),
            addresses: AddressRule::new(networks.collect()),
            hosts: names,
            bounds: BOUNDS,
            lookup: without_metadata(system_lookup()),
        };
        Self { broker: Broker::new(settings), hosts }
    }

    /// The way out of one installation; `usual` are the registries that it asks where no mirror is named.
    #[must_use]
    pub fn gate(&self, usual: &[String]) -> Option<Arc<Gate>> {
        let entries: Vec<&String> = self.hosts.iter().chain(usual).collect();
        let list = AllowList::parse(&entries).inspect_err(|error| {
            tracing::warn!(%error, "the hosts of the package mirrors can't be read; installations reach nothing");
        });
        self.broker.gate(&list.ok()?)
    }
}

/// A lookup in which no name leads to what tells a cloud's machines who they are.
fn without_metadata(lookup: Lookup) -> Lookup {
    Arc::new(move |name| {
        let mut addresses = lookup(name)?;
        addresses.retain(|address| !is_metadata(*address));
        Ok(addresses)
    })
}

/// Link-local addresses, where clouds have their metadata, and the one that AWS has besides.
fn is_metadata(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local() || address == AWS_METADATA,
    }
}

/// A text in which mirrors that are addresses have names, by which a sandbox reaches them: `localhost` is itself there.
#[must_use]
pub fn named(text: &str) -> String {
    LITERAL
        .replace_all(text, |found: &regex::Captures<'_>| {
            format!("{}{}{}", &found[1], alias(&found[2]), &found[3])
        })
        .into_owned()
}

/// The names that addresses of these mirrors have, which pip is to trust like the addresses.
#[must_use]
pub fn trusted(texts: &[&str]) -> Vec<String> {
    let found = texts.iter().flat_map(|text| LITERAL.captures_iter(text).map(|found| alias(&found[2])));
    found.collect::<BTreeSet<_>>().into_iter().collect()
}

fn alias(literal: &str) -> String {
    format!("{}.mirror.internal", address(literal).to_string().replace('.', "-"))
}

fn address(literal: &str) -> IpAddr {
    literal.parse().unwrap_or(Ipv4Addr::LOCALHOST.into())
}

/// Hosts as entries of an allow-list.
fn hosts_in(text: &str) -> impl Iterator<Item = String> {
    URL.captures_iter(text).map(|url| match (url.get(3), &url[1]) {
        (Some(port), _) => format!("{}:{}", &url[2], port.as_str()),
        (None, _) => url[2].to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_those_of_the_mirrors_alone() {
        let folder = tempfile::tempdir().unwrap();
        let npmrc = folder.path().join("npmrc");
        let text = "registry=https://me:pass@npm.corp:8443/x/\n//npm.corp:8443/:_authToken=t\n# see http://127.0.0.1:4873/\n";
        std::fs::write(&npmrc, text).unwrap();
        let env = [
            ("GOPROXY", "https://go.corp,http://10.0.0.5|direct"),
            ("GOSUMDB", "sum.corp+key https://go.corp/sumdb"),
            ("HTTPS_PROXY", "http://proxy:3128"),
            ("PIP_RETRIES", "3"),
        ];
        let env = env.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let mirrors = Mirrors { env, files: vec![(npmrc, "/x".into())], ..Mirrors::default() };
        let registries = Registries::new(&mirrors, &["*.cdn.corp".to_owned()]);
        let gate = registries.gate(&["registry.npmjs.org".to_owned()]).unwrap();
        let mut entries: Vec<String> = gate.allowed().entries().iter().map(ToString::to_string).collect();
        entries.sort();
        let expected = [
            "*.cdn.corp",
            "10-0-0-5.mirror.internal",
            "127-0-0-1.mirror.internal:4873",
            "go.corp",
            "npm.corp:8443",
            "proxy:3128",
            "registry.npmjs.org",
            "sum.corp",
        ];
        assert_eq!(entries, expected);
        assert!(Registries::new(&Mirrors::default(), &[]).gate(&[]).is_none());
    }

    #[test]
    fn addresses_have_names_inside() {
        let text = "registry=http://localhost:4873/\n//127.0.0.1:4873/:_authToken=t\nhttps://10.0.0.1/ http://10.0.0.1.evil/";
        let expected = "registry=http://127-0-0-1.mirror.internal:4873/\n//127-0-0-1.mirror.internal:4873/:_authToken=t\n\
                        https://10.0.0.1/ http://10.0.0.1.evil/";
        assert_eq!(named(text), expected);
        assert_eq!(trusted(&[text]), ["127-0-0-1.mirror.internal"]);
    }

    #[test]
    fn no_name_leads_to_a_clouds_metadata() {
        let addresses =
            ["10.0.0.1", "169.254.169.254", "fe80::1", "fd00:ec2::254", "::ffff:169.254.169.254", "fd00::1"];
        let addresses: Vec<IpAddr> = addresses.iter().map(|address| address.parse().unwrap()).collect();
        let lookup = without_metadata(Arc::new(move |_| Ok(addresses.clone())));
        let left: Vec<String> = lookup("x").unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(left, ["10.0.0.1", "fd00::1"]);
    }
}
