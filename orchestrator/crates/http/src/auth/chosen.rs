//! Which version of a function a call gets: what its path or its body says, and what keeps its caller at one of two.

use std::net::IpAddr;
use std::sync::Arc;

use cloudbox_dispatch::table::{Entry, KeySource, Wanted};
use cloudbox_types::{Name, Sticky};
use http::{HeaderMap, header};

use super::Caller;
use crate::api::Api;
use crate::error::ApiError;

/// The header whose value keeps its sender at one of two versions, where a split says nothing else.
pub const KEY_HEADER: &str = "x-cloudbox-version-key";

/// A function and what follows its colon: `name`, `name:alias`, `name:3`.
#[must_use]
pub fn split(text: &str) -> (&str, Option<&str>) {
    match text.split_once(':') {
        Some((function, version)) => (function, Some(version)),
        None => (text, None),
    }
}

/// What a text says of a version: a number or an alias.
///
/// # Errors
/// It can be neither.
pub fn wanted(text: &str) -> Result<Wanted, cloudbox_types::InvalidName> {
    match text.parse::<i64>() {
        Ok(number) if text.bytes().all(|byte| byte.is_ascii_digit()) => Ok(Wanted::Number(number)),
        _ => Name::new(text).map(Wanted::Alias),
    }
}

/// The version that a call gets, which was found by its function's entry. A version by its number is for users of the
/// API alone.
///
/// # Errors
/// `NOT_FOUND` where there is no such version or alias, or this caller may not name one; the store's.
pub async fn entry(
    api: &Api,
    caller: Option<Caller>,
    entry: Arc<Entry>,
    version: Option<&str>,
    keys: Keys<'_>,
) -> Result<Arc<Entry>, ApiError> {
    let not_found = || ApiError::not_found("version or alias of this function");
    let wanted = match version {
        None => Wanted::Active,
        Some(text) => wanted(text).map_err(|_| not_found())?,
    };
    self::version(api, caller, entry, &wanted, keys).await
}

/// As [`entry`], of what was read already.
///
/// # Errors
/// The same.
pub async fn version(
    api: &Api,
    caller: Option<Caller>,
    entry: Arc<Entry>,
    wanted: &Wanted,
    keys: Keys<'_>,
) -> Result<Arc<Entry>, ApiError> {
    if *wanted == Wanted::Active && !entry.is_split() {
        return Ok(entry);
    }
    let not_found = || ApiError::not_found("version or alias of this function");
    if matches!(wanted, Wanted::Number(_)) && caller.is_none() {
        return Err(not_found());
    }
    api.table.pick(entry, wanted, &keys).await?.ok_or_else(not_found)
}

/// Where a caller's key comes from: the request's own headers, and those that an `execute` gives to the handler.
#[derive(Clone, Copy, Debug)]
pub struct Keys<'a> {
    /// Of the request.
    pub headers: &'a HeaderMap,
    /// Of the handler's request, names in lower case.
    pub given: &'a [(String, String)],
    /// Where the connection comes from; none for a call that is not its sender's own, as by `execute`.
    pub address: Option<IpAddr>,
}

impl<'a> Keys<'a> {
    /// Of the request alone.
    #[must_use]
    pub const fn of(headers: &'a HeaderMap) -> Self {
        Self { headers, given: &[], address: None }
    }

    /// The same, of a request that comes from this address.
    #[must_use]
    pub const fn from_address(self, address: Option<IpAddr>) -> Self {
        Self { address, ..self }
    }

    /// The first one of this name that isn't empty; what is given to the handler comes first.
    fn header(&self, name: &str) -> Option<String> {
        let given = self.given.iter().filter(|(given, _)| given == name).map(|(_, value)| value.clone());
        let own =
            self.headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()).into());
        given.chain(own).find(|value: &String| !value.is_empty())
    }

    fn cookie(&self, name: &str) -> Option<String> {
        let given = self.given.iter().filter(|(given, _)| *given == header::COOKIE.as_str());
        let given = given.map(|(_, value)| value.as_str());
        let own = self.headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
        let pairs = given.chain(own).flat_map(|line| line.split(';'));
        let mut found = pairs.filter_map(|pair| pair.trim().split_once('='));
        found.find(|(key, value)| *key == name && !value.is_empty()).map(|(_, value)| value.to_owned())
    }
}

impl KeySource for Keys<'_> {
    fn key(&self, sticky: &Sticky) -> Option<String> {
        match sticky {
            Sticky::None => None,
            Sticky::Key => self.header(KEY_HEADER),
            Sticky::Header(name) => self.header(name),
            Sticky::Cookie(name) => self.cookie(name),
            Sticky::Address => self.address.map(place),
        }
    }
}

/// An address as a key. Of IPv6 its network: who has one changes the rest of it at will.
fn place(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn a_colon_names_a_version() {
        assert_eq!(split("hello"), ("hello", None));
        assert_eq!(split("hello:prod"), ("hello", Some("prod")));
        assert_eq!(wanted("12"), Ok(Wanted::Number(12)));
        assert_eq!(wanted("prod-2"), Ok(Wanted::Alias(Name::new("prod-2").unwrap())));
        for odd in ["", "+1", "-1", "Prod", "a:b", "99999999999999999999"] {
            assert!(wanted(odd).is_err(), "{odd}");
        }
    }

    #[test]
    fn keys_come_from_headers_and_cookies() {
        let mut headers = HeaderMap::new();
        headers.insert("x-user", HeaderValue::from_static("ada"));
        headers.insert("x-cloudbox-version-key", HeaderValue::from_static("k"));
        headers.append("cookie", HeaderValue::from_static("a=1; who=eve"));
        headers.append("cookie", HeaderValue::from_static("b=2"));
        let keys = Keys::of(&headers);
        let key = |keys: &Keys<'_>, sticky: Sticky| keys.key(&sticky);
        assert_eq!(key(&keys, Sticky::Key).as_deref(), Some("k"));
        assert_eq!(key(&keys, Sticky::Header("x-user".to_owned())).as_deref(), Some("ada"));
        assert_eq!(key(&keys, Sticky::Cookie("who".to_owned())).as_deref(), Some("eve"));
        assert_eq!(key(&keys, Sticky::Cookie("b".to_owned())).as_deref(), Some("2"));
        assert_eq!(key(&keys, Sticky::Cookie("c".to_owned())), None);
        assert_eq!(key(&keys, Sticky::None), None);
        let given = [("x-user".to_owned(), "bob".to_owned())];
        let keys = Keys { headers: &headers, given: &given, address: None };
        assert_eq!(key(&keys, Sticky::Header("x-user".to_owned())).as_deref(), Some("bob"));
    }

    #[test]
    fn an_address_is_a_key_and_of_ipv6_its_network() {
        let headers = HeaderMap::new();
        let key = |address: Option<&str>| {
            let address = address.map(|address| address.parse().unwrap());
            Keys::of(&headers).from_address(address).key(&Sticky::Address)
        };
        assert_eq!(key(None), None);
        assert_eq!(key(Some("10.1.2.3")).as_deref(), Some("10.1.2.3"));
        assert_eq!(key(Some("::ffff:10.1.2.3")).as_deref(), Some("10.1.2.3"), "the same sender");
        assert_eq!(key(Some("2001:db8:1:2:3:4:5:6")).as_deref(), Some("2001:db8:1:2::/64"));
        assert_eq!(key(Some("2001:db8:1:2::9")), key(Some("2001:db8:1:2:3:4:5:6")));
    }
}
