//! How this machine's own package managers reach their registries: installations of dependencies do the same.

mod lent;
mod machine;
mod npmrc;
mod pip_conf;
mod registries;

use std::collections::BTreeMap;
use std::path::PathBuf;

pub use lent::Lent;
pub use machine::Variables;
pub use registries::{Registries, named, trusted};

/// Where an installation sees the machine's files.
const INSIDE: &str = "/etc/cloudbox";
/// The certificates that every root has already.
const CERTIFICATES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// What an installation is given.
#[derive(Clone, Debug, Default)]
pub struct Mirrors {
    /// More environment.
    pub env: BTreeMap<String, String>,
    /// Files: (here, inside).
    pub files: Vec<(PathBuf, PathBuf)>,
    /// The service's own environment, for what the files name of it.
    pub variables: Variables,
}

impl Mirrors {
    /// With an operator's own settings, which win.
    #[must_use]
    pub fn with(mut self, env: BTreeMap<String, String>, files: Vec<(PathBuf, PathBuf)>) -> Self {
        self.env.extend(env);
        self.files.retain(|(_, inside)| files.iter().all(|(_, own)| own != inside));
        self.files.extend(files);
        self
    }
}

/// The variables that package managers of this machine itself are started with: those that lead to the registries, and
/// where they find their own settings. Nothing else that the service's environment has.
#[must_use]
pub fn client_environment(lookup: &dyn Fn(&str) -> Option<String>) -> BTreeMap<String, String> {
    let own = ["HOME", "PATH", "XDG_CONFIG_HOME", "SSL_CERT_DIR", "TMPDIR"];
    let names = machine::VARIABLES.into_iter().chain(machine::FILES.map(|(name, _)| name)).chain(own);
    names.filter_map(|name| Some((name.to_owned(), lookup(name)?))).collect()
}

/// What must not be told of settings for package managers: passwords in URLs, and tokens.
#[must_use]
pub fn secrets_in(text: &str) -> Vec<String> {
    let mut secrets = Vec::new();
    for line in text.lines() {
        if let Some((key, value)) = line.split_once('=')
            && ["_auth", "password", "token"].iter().any(|word| key.to_ascii_lowercase().contains(word))
        {
            secrets.push(value.trim().trim_matches('"').to_owned());
        }
        for (start, _) in line.match_indices("://") {
            let rest = &line[start + 3..];
            let end = rest.find(|c: char| c == '/' || c.is_whitespace()).unwrap_or(rest.len());
            secrets.extend(rest[..end].rsplit_once('@').map(|(login, _)| login.to_owned()));
        }
    }
    let parts: Vec<String> =
        secrets.iter().filter_map(|secret| Some(secret.split_once(':')?.1.to_owned())).collect();
    secrets.extend(parts);
    secrets.retain(|secret| secret.len() >= 4);
    secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    secrets
}

/// `text` with `***` in place of each secret.
#[must_use]
pub fn redact(text: &str, secrets: &[String]) -> String {
    secrets.iter().fold(text.to_owned(), |text, secret| text.replace(secret.as_str(), "***"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_told() {
        let settings = "registry=https://me:pass-1@mirror/npm/\n//mirror/:_authToken=\"tok-2\"\n\
                        index-url = http://only-3@mirror/simple\n_password = cGFzcw==\nemail=a@b\n";
        let secrets = secrets_in(settings);
        let said = "GET https://me:pass-1@mirror/npm/x tok-2 pass-1 only-3 cGFzcw== a@b";
        assert_eq!(redact(said, &secrets), "GET https://***@mirror/npm/x *** *** *** *** a@b");
        assert!(secrets_in("registry=https://mirror/a@b\nstrict-ssl=true\n").is_empty());
    }
}
