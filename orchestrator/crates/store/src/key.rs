//! Encrypts environment values at rest: AES-256-GCM, bound to project, function, variable and key. One key encrypts; older
//! ones are kept for what they encrypted, until it is encrypted anew.

use std::collections::BTreeMap;
use std::fmt;

use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cloudbox_types::{FunctionId, ProjectId, Secret};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::error::Error;

/// Bytes of the key.
const KEY_BYTES: usize = 32;
/// Bytes of a nonce: 96 random bits, as GCM wants.
const NONCE_BYTES: usize = 12;
/// The form of a kept value; another way of encrypting gets another word.
const FORM: &str = "v1";

/// What a `FunctionSettings`' environment is, for signatures.
pub type Environment = BTreeMap<String, Secret<String>>;

/// The key that environment values are encrypted with, and the ones before it. They are wiped from memory when dropped.
#[derive(Clone)]
pub struct EnvironmentKey {
    current: Key,
    /// Those that decrypt what was not encrypted anew since.
    older: Vec<Key>,
}

#[derive(Clone)]
struct Key {
    bytes: Zeroizing<[u8; KEY_BYTES]>,
    id: String,
}

/// A text that is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKey {
    /// Not base64.
    #[error("the environment key must be base64 text; make one with: openssl rand -base64 32")]
    Base64,
    /// Base64 of another length.
    #[error(
        "the environment key must be base64 of 32 bytes, not of {bytes}; make one with: openssl rand -base64 32"
    )]
    Length {
        /// Bytes that it has.
        bytes: usize,
    },
}

impl EnvironmentKey {
    /// The key of a base64 text; white space around it doesn't matter.
    ///
    /// # Errors
    /// Says what is wrong with the text, without showing it.
    pub fn from_base64(text: &str) -> Result<Self, InvalidKey> {
        let decoded = Zeroizing::new(STANDARD.decode(text.trim()).map_err(|_| InvalidKey::Base64)?);
        let bytes: [u8; KEY_BYTES] =
            decoded.as_slice().try_into().map_err(|_| InvalidKey::Length { bytes: decoded.len() })?;
        Ok(Self::from_bytes(Zeroizing::new(bytes)))
    }

    /// A new random key, for a service that starts for the first time.
    #[must_use]
    pub fn generate() -> Self {
        Self::from_bytes(Zeroizing::new(rand::random()))
    }

    fn from_bytes(bytes: Zeroizing<[u8; KEY_BYTES]>) -> Self {
        let digest = Sha256::digest(bytes.as_slice());
        let id = digest[..4].iter().map(|byte| format!("{byte:02x}")).collect();
        Self { current: Key { bytes, id }, older: Vec::new() }
    }

    /// The same key, with one more that only decrypts.
    #[must_use]
    pub fn with_older(mut self, older: Self) -> Self {
        self.older.push(older.current);
        self
    }

    /// The text that [`Self::from_base64`] reads, to be kept in a file that only the service reads.
    #[must_use]
    pub fn to_base64(&self) -> Zeroizing<String> {
        Zeroizing::new(STANDARD.encode(self.current.bytes.as_slice()))
    }

    /// Tells keys apart without giving them away: the first 8 hex digits of the key's SHA-256.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.current.id
    }

    /// The column's text: JSON of names with `v1.<key id>.<base64 of nonce and ciphertext>`.
    pub(crate) fn encrypt(&self, owner: Owner, environment: &Environment) -> String {
        let cipher = self.current.cipher();
        let kept: BTreeMap<&str, String> = environment
            .iter()
            .map(|(name, value)| {
                let nonce: [u8; NONCE_BYTES] = rand::random();
                let aad = self.current.bound_to(owner, name);
                let payload = Payload { msg: value.expose().as_bytes(), aad: aad.as_bytes() };
                let ciphertext =
                    cipher.encrypt(&Nonce::from(nonce), payload).expect("AES-GCM takes values up to 64 GB");
                let text = STANDARD.encode([nonce.as_slice(), &ciphertext].concat());
                (name.as_str(), format!("{FORM}.{}.{text}", self.current.id))
            })
            .collect();
        serde_json::to_string(&kept).expect("a map of strings is JSON")
    }

    /// The environment of a column's text.
    pub(crate) fn decrypt(&self, owner: Owner, text: &str) -> Result<Environment, Error> {
        let error = |missing_key| Error::Undecryptable { function_id: owner.function.0, missing_key };
        let kept: BTreeMap<String, String> = serde_json::from_str(text).map_err(|_| error(None))?;
        kept.into_iter()
            .map(|(name, text)| {
                let id = key_of(&text).ok_or_else(|| error(None))?;
                let mut keys = std::iter::once(&self.current).chain(&self.older);
                let key = keys.find(|key| key.id == id).ok_or_else(|| error(Some(id.to_owned())))?;
                let value = key.decrypt(owner, &name, &text).ok_or_else(|| error(None))?;
                Ok((name, Secret::new(value)))
            })
            .collect()
    }

    /// Whether every value of a column's text was encrypted with the key that encrypts now.
    pub(crate) fn is_current(&self, text: &str) -> bool {
        let kept: BTreeMap<String, String> = serde_json::from_str(text).unwrap_or_default();
        kept.values().all(|text| key_of(text) == Some(&self.current.id))
    }
}

/// The id of the key that a value was encrypted with.
fn key_of(text: &str) -> Option<&str> {
    text.strip_prefix(FORM)?.strip_prefix('.')?.split_once('.').map(|(id, _)| id)
}

/// The names of a column's text, whose values nobody may be able to read.
pub(crate) fn names(text: &str) -> Environment {
    let kept: BTreeMap<String, String> = serde_json::from_str(text).unwrap_or_default();
    kept.into_keys().map(|name| (name, Secret::new(String::new()))).collect()
}

impl Key {
    fn cipher(&self) -> Aes256Gcm {
        Aes256Gcm::new((&*self.bytes).into())
    }

    /// What a value is bound to, so that a row copied to another place can't be read there.
    fn bound_to(&self, owner: Owner, name: &str) -> String {
        format!("{}|{}|{name}|{}", owner.project, owner.function, self.id)
    }

    fn decrypt(&self, owner: Owner, name: &str, text: &str) -> Option<String> {
        let (_, text) = text.rsplit_once('.')?;
        let bytes = STANDARD.decode(text).ok()?;
        let (nonce, ciphertext) = bytes.split_first_chunk::<NONCE_BYTES>()?;
        let aad = self.bound_to(owner, name);
        let payload = Payload { msg: ciphertext, aad: aad.as_bytes() };
        let plain = self.cipher().decrypt(&Nonce::from(*nonce), payload).ok()?;
        String::from_utf8(plain).ok()
    }
}

impl fmt::Debug for EnvironmentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EnvironmentKey({})", self.current.id)
    }
}

/// Whose environment it is.
#[derive(Clone, Copy)]
pub(crate) struct Owner {
    pub(crate) project: ProjectId,
    pub(crate) function: FunctionId,
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWNER: Owner = Owner { project: ProjectId(1), function: FunctionId(2) };

    fn environment() -> Environment {
        BTreeMap::from([("TOKEN".to_owned(), Secret::new("plain \u{e4}".to_owned()))])
    }

    #[test]
    fn texts_that_are_no_keys_say_why() {
        let error = |text: &str| EnvironmentKey::from_base64(text).unwrap_err();
        assert_eq!(error("not base64!"), InvalidKey::Base64);
        let short = STANDARD.encode([1; 31]);
        assert_eq!(error(&short), InvalidKey::Length { bytes: 31 });
        assert!(error(&short).to_string().contains("openssl rand -base64 32"));
        assert!(!error(&short).to_string().contains(&short));
    }

    #[test]
    fn a_key_is_read_back_and_never_shown() {
        let key = EnvironmentKey::generate();
        let again = EnvironmentKey::from_base64(&format!(" {}\n", *key.to_base64())).unwrap();
        assert_eq!(key.id(), again.id());
        assert_ne!(key.id(), EnvironmentKey::generate().id());
        assert_eq!(format!("{key:?}"), format!("EnvironmentKey({})", key.id()));
        let known = EnvironmentKey::from_base64(&STANDARD.encode([0; 32])).unwrap();
        assert_eq!(known.id(), "66687aad", "the first digits of SHA-256 over 32 zero bytes");
    }

    #[test]
    fn each_encryption_differs_and_all_decrypt() {
        let key = EnvironmentKey::generate();
        let (one, two) = (key.encrypt(OWNER, &environment()), key.encrypt(OWNER, &environment()));
        assert_ne!(one, two, "nonces are random");
        assert!(one.starts_with(&format!("{{\"TOKEN\":\"v1.{}.", key.id())));
        assert_eq!(key.decrypt(OWNER, &one).unwrap(), environment());
        assert_eq!(key.decrypt(OWNER, &two).unwrap(), environment());
    }

    #[test]
    fn what_was_changed_is_refused() {
        let key = EnvironmentKey::generate();
        let text = key.encrypt(OWNER, &environment());
        let other_project = Owner { project: ProjectId(9), ..OWNER };
        let other_function = Owner { function: FunctionId(9), ..OWNER };
        for owner in [other_project, other_function] {
            assert!(key.decrypt(owner, &text).is_err());
        }
        let middle = text.len() - 10;
        let other = if text[middle..].starts_with('A') { "B" } else { "A" };
        let flipped = [&text[..middle], other, &text[middle + 1..]].concat();
        let changed = [
            text.replace("TOKEN", "OTHER"),
            text.replace("v1.", "v2."),
            text.replace(key.id(), "00000000"),
            flipped,
            "{\"TOKEN\": \"v1\"}".to_owned(),
            "not JSON".to_owned(),
        ];
        for text in changed {
            let error = key.decrypt(OWNER, &text).unwrap_err();
            assert!(matches!(error, Error::Undecryptable { function_id: 2, .. }), "{text}");
        }
    }

    #[test]
    fn older_keys_decrypt_what_they_encrypted_and_nothing_more() {
        let (old, new) = (EnvironmentKey::generate(), EnvironmentKey::generate());
        let text = old.encrypt(OWNER, &environment());
        let ring = new.clone().with_older(old.clone());
        assert_eq!(ring.decrypt(OWNER, &text).unwrap(), environment());
        assert!(!ring.is_current(&text) && old.is_current(&text) && ring.is_current("{}"));
        let anew = ring.encrypt(OWNER, &ring.decrypt(OWNER, &text).unwrap());
        assert!(ring.is_current(&anew));
        assert_eq!(new.decrypt(OWNER, &anew).unwrap(), environment());
        let lost = new.decrypt(OWNER, &text).unwrap_err();
        assert!(lost.to_string().contains(old.id()), "{lost}");
        // Another key's name on a value makes it no value of that key.
        let renamed = text.replace(old.id(), new.id());
        assert!(ring.decrypt(OWNER, &renamed).is_err());
    }
}
