//! How this machine's own package managers reach their registries: installations of dependencies do the same.

mod registries;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub use registries::{Registries, named, trusted};

/// Where an installation sees the machine's files.
const INSIDE: &str = "/etc/cloudbox";
/// The certificates that every root has already.
const CERTIFICATES: &str = "/etc/ssl/certs/ca-certificates.crt";
/// Variables that are passed on as they are.
const VARIABLES: [&str; 22] = [
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "ALL_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "all_proxy",
    "NPM_CONFIG_REGISTRY",
    "npm_config_registry",
    "PIP_INDEX_URL",
    "PIP_EXTRA_INDEX_URL",
    "PIP_TRUSTED_HOST",
    "PIP_DEFAULT_TIMEOUT",
    "PIP_RETRIES",
    "PIP_NO_INDEX",
    "GOPROXY",
    "GONOPROXY",
    "GOSUMDB",
    "GONOSUMDB",
    "GOPRIVATE",
    "GOINSECURE",
];
/// Where the go command keeps settings, below the home folder: lines of a variable and its value.
const GO_SETTINGS: &str = ".config/go/env";
/// Variables that name a file, which is shown inside: (variable, what it is called there).
const FILES: [(&str, &str); 8] = [
    ("NODE_EXTRA_CA_CERTS", "node-ca.pem"),
    ("NPM_CONFIG_CAFILE", "npm-ca.pem"),
    ("PIP_CERT", "pip-ca.pem"),
    ("REQUESTS_CA_BUNDLE", "requests-ca.pem"),
    ("SSL_CERT_FILE", "ca.pem"),
    ("NPM_CONFIG_USERCONFIG", "npmrc"),
    ("PIP_CONFIG_FILE", "pip.conf"),
    ("NETRC", "netrc"),
];
/// What a variable that isn't set stands for, below the home folder, the first that is there.
const HOME_FILES: [(&str, &str); 4] = [
    ("NPM_CONFIG_USERCONFIG", ".npmrc"),
    ("PIP_CONFIG_FILE", ".config/pip/pip.conf"),
    ("PIP_CONFIG_FILE", ".pip/pip.conf"),
    ("NETRC", ".netrc"),
];
/// A file that is at the same place inside: pip's settings for the whole machine.
const SAME_PLACE: &str = "/etc/pip.conf";

/// What an installation is given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mirrors {
    /// More environment.
    pub env: BTreeMap<String, String>,
    /// Files: (here, inside).
    pub files: Vec<(PathBuf, PathBuf)>,
}

impl Mirrors {
    /// What this machine has; `lookup` reads a variable of the environment.
    #[must_use]
    pub fn of_machine(lookup: &dyn Fn(&str) -> Option<String>) -> Self {
        let mut mirrors = Self::default();
        for name in VARIABLES {
            mirrors.env.extend(lookup(name).map(|value| (name.to_owned(), value)));
        }
        let home = lookup("HOME").map(PathBuf::from);
        let go_settings = home.as_ref().and_then(|home| std::fs::read_to_string(home.join(GO_SETTINGS)).ok());
        for (name, value) in
            go_settings.iter().flat_map(|text| text.lines()).filter_map(|it| it.split_once('='))
        {
            if name.starts_with("GO") && VARIABLES.contains(&name) {
                mirrors.env.entry(name.to_owned()).or_insert_with(|| value.to_owned());
            }
        }
        for (variable, name) in FILES {
            let at_home = || {
                let below = HOME_FILES.iter().filter(|(of, _)| *of == variable).map(|(_, path)| path);
                below.filter_map(|path| Some(home.as_ref()?.join(path))).find(|path| path.is_file())
            };
            let named = lookup(variable).map(PathBuf::from).or_else(at_home);
            if let Some(file) = named.filter(|path| path.is_file() && path != Path::new(CERTIFICATES)) {
                let inside = format!("{INSIDE}/{name}");
                mirrors.env.insert(variable.to_owned(), inside.clone());
                mirrors.files.push((file, inside.into()));
            }
        }
        let same = Some(PathBuf::from(SAME_PLACE)).filter(|path| path.is_file());
        mirrors.files.extend(same.map(|path| (path.clone(), path)));
        mirrors
    }

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
    let names = VARIABLES.into_iter().chain(FILES.map(|(name, _)| name)).chain(own);
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
    use std::collections::HashMap;

    use super::*;

    fn inside<'a>(mirrors: &'a Mirrors, path: &str) -> Option<&'a Path> {
        let found = mirrors.files.iter().find(|(_, inside)| inside == Path::new(path));
        found.map(|(here, _)| here.as_path())
    }

    #[test]
    fn the_machines_files_and_variables_are_passed_on() {
        let home = tempfile::tempdir().unwrap();
        let path = |name: &str| home.path().join(name);
        std::fs::write(path(".npmrc"), "registry=x").unwrap();
        std::fs::create_dir(path(".pip")).unwrap();
        std::fs::write(path(".pip/pip.conf"), "").unwrap();
        std::fs::write(path("ca.pem"), "").unwrap();
        std::fs::create_dir_all(path(".config/go")).unwrap();
        std::fs::write(path(GO_SETTINGS), "GOPROXY=http://go\nGOFLAGS=-x\nGOSUMDB=off\n").unwrap();
        let variables = HashMap::from([
            ("HOME", home.path().display().to_string()),
            ("HTTPS_PROXY", "http://proxy:1".to_owned()),
            ("GOSUMDB", "sum.go".to_owned()),
            ("PIP_CERT", path("ca.pem").display().to_string()),
            ("SSL_CERT_FILE", CERTIFICATES.to_owned()),
            ("NODE_EXTRA_CA_CERTS", path("missing").display().to_string()),
            ("PRIVATE", "secret".to_owned()),
        ]);
        let mirrors = Mirrors::of_machine(&|name| variables.get(name).cloned());
        let told: Vec<_> = mirrors.env.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(
            told,
            [
                ("GOPROXY", "http://go"),
                ("GOSUMDB", "sum.go"),
                ("HTTPS_PROXY", "http://proxy:1"),
                ("NPM_CONFIG_USERCONFIG", "/etc/cloudbox/npmrc"),
                ("PIP_CERT", "/etc/cloudbox/pip-ca.pem"),
                ("PIP_CONFIG_FILE", "/etc/cloudbox/pip.conf"),
            ]
        );
        assert_eq!(inside(&mirrors, "/etc/cloudbox/npmrc"), Some(path(".npmrc").as_path()));
        assert_eq!(inside(&mirrors, "/etc/cloudbox/pip.conf"), Some(path(".pip/pip.conf").as_path()));
        assert_eq!(inside(&mirrors, "/etc/cloudbox/ca.pem"), None);

        let own = [("HTTPS_PROXY".to_owned(), "http://own:2".to_owned())].into();
        let mirrors = mirrors.with(own, vec![("/my/npmrc".into(), "/etc/cloudbox/npmrc".into())]);
        assert_eq!(mirrors.env["HTTPS_PROXY"], "http://own:2");
        assert_eq!(inside(&mirrors, "/etc/cloudbox/npmrc"), Some(Path::new("/my/npmrc")));
    }

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
