//! What registries want to know of who asks, in the form of Docker's own file.

use std::collections::BTreeMap;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cloudbox_sandbox::Credentials;
use cloudbox_types::Secret;
use serde::Deserialize;

/// The registry of names without one, and what Docker's file calls it.
const HUB: (&str, &str) = ("docker.io", "index.docker.io");

/// `config.json`, as `docker login` writes it.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct File {
    auths: BTreeMap<String, Entry>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Entry {
    /// `user:password`, base64.
    auth: String,
    username: String,
    password: String,
    identitytoken: String,
}

/// What the file has for a registry; none where there is no file, or nothing for it. What a helper keeps is not asked for.
///
/// # Errors
/// A sentence: the file can't be read. It reaches who deploys, whom the host's paths are no business of: the log has them.
pub(crate) fn find(file: &Path, registry: &str) -> Result<Option<Credentials>, String> {
    let text = match std::fs::read(file) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            tracing::warn!(path = %file.display(), %error, "the file of registries' credentials can't be read");
            return Err(
                "the operator's file of credentials can't be read; the service's log says why".to_owned()
            );
        }
        Ok(text) => text,
    };
    // The parser's own words may quote what is in it.
    let read: File = serde_json::from_slice(&text).map_err(|_| {
        tracing::warn!(path = %file.display(), "no file of registries' credentials");
        "the operator's file of credentials is none as `docker login` writes it".to_owned()
    })?;
    let entry = read.auths.into_iter().find(|(name, _)| host_of(name) == host_of(registry));
    Ok(entry.and_then(|(_, entry)| credentials(entry)))
}

fn credentials(entry: Entry) -> Option<Credentials> {
    let whole = STANDARD.decode(&entry.auth).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let (username, password) = whole
        .as_deref()
        .and_then(|whole| whole.trim_end_matches('\0').split_once(':'))
        .map_or((entry.username, entry.password), |(user, password)| (user.to_owned(), password.to_owned()));
    let identity_token = Some(entry.identitytoken).filter(|token| !token.is_empty()).map(Secret::new);
    let is_known = !username.is_empty() || identity_token.is_some();
    is_known.then(|| Credentials { username, password: Secret::new(password), identity_token })
}

/// A registry without what comes before and behind its name: the file has both `host:port` and `https://host/v1/`.
fn host_of(name: &str) -> &str {
    let name = name.split_once("://").map_or(name, |(_, rest)| rest);
    let host = name.split('/').next().unwrap_or_default();
    if host == HUB.1 { HUB.0 } else { host }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dockers_own_file_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.json");
        assert!(find(&file, "a.example").unwrap().is_none(), "no file");
        let text = r#"{"credsStore": "x", "auths": {"a.example:5000": {"auth": "dXM6cDpx"}, "https://index.docker.io/v1/":
            {"username": "u", "password": "p"}, "b.example": {"identitytoken": "t"}, "c.example": {}}}"#;
        std::fs::write(&file, text).unwrap();
        let found = |registry| find(&file, registry).unwrap();
        let known = found("a.example:5000").unwrap();
        assert_eq!((known.username.as_str(), known.password.expose().as_str()), ("us", "p:q"));
        assert_eq!(found("docker.io").unwrap().username, "u");
        assert_eq!(found("b.example").unwrap().identity_token.unwrap().expose(), "t");
        assert!(found("c.example").is_none() && found("a.example").is_none());
        std::fs::write(&file, "{\"auths\": \"secret\"}").unwrap();
        let why = find(&file, "a.example").unwrap_err();
        assert!(why.contains("docker login") && !why.contains("secret"), "{why}");
    }
}
