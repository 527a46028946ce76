//! A host as it is written in settings, asked for in a name query, or given to the proxy: always in one form.

use std::fmt;
use std::net::IpAddr;

/// A name or an address, so that two ways to write the same host are equal.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Host {
    /// Lower case ASCII, without a dot at its end.
    Name(String),
    /// An address, however it was written.
    Ip(IpAddr),
}

impl Host {
    /// Reads a host by the rules of URLs: `EXAMPLE.org.`, `bücher.example`, `127.1`, `0x7f000001`, `[::1]`, `::1`. None
    /// where it is no host.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if let Ok(address) = text.parse::<IpAddr>() {
            return Some(Self::Ip(address));
        }
        match url::Host::parse(text).ok()? {
            url::Host::Ipv4(address) => Some(Self::Ip(address.into())),
            url::Host::Ipv6(address) => Some(Self::Ip(address.into())),
            url::Host::Domain(name) => Self::name(&name),
        }
    }

    /// A name that is made of labels as the name system has them, `_` included.
    pub(crate) fn name(text: &str) -> Option<Self> {
        let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        let is_label = |label: &str| {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
            !label.is_empty() && label.len() <= 63 && label.bytes().all(plain)
        };
        (name.len() <= 253 && name.split('.').all(is_label)).then_some(Self::Name(name))
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Ip(address) => address.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_host_has_one_form() {
        for (text, form) in [
            ("API.Example.com", "api.example.com"),
            ("api.example.com.", "api.example.com"),
            ("b\u{fc}cher.example", "xn--bcher-kva.example"),
            ("a_b.example", "a_b.example"),
            ("127.0.0.1", "127.0.0.1"),
            ("127.1", "127.0.0.1"),
            ("2130706433", "127.0.0.1"),
            ("0x7f.1", "127.0.0.1"),
            ("0177.0.0.1", "127.0.0.1"),
            ("::1", "::1"),
            ("[::1]", "::1"),
            ("[::ffff:127.0.0.1]", "::ffff:127.0.0.1"),
        ] {
            assert_eq!(Host::parse(text).map(|host| host.to_string()).as_deref(), Some(form), "{text}");
        }
    }

    #[test]
    fn what_is_no_host_is_none() {
        let long = "a.".repeat(127) + "example";
        for text in
            ["", ".", "a..b", "a b", "a/b", "a:b", "a@b", "*", "*.a", "256.256.256.256", "[::1", &long]
        {
            assert_eq!(Host::parse(text), None, "{text}");
        }
    }
}
