//! What this machine has for its own package managers.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use crate::{CERTIFICATES, INSIDE, Mirrors, npmrc};

/// Variables that are passed on as they are.
pub(crate) const VARIABLES: [&str; 30] = [
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
    "NPM_CONFIG_PROXY",
    "NPM_CONFIG_HTTPS_PROXY",
    "NPM_CONFIG_NOPROXY",
    "npm_config_proxy",
    "npm_config_https_proxy",
    "npm_config_noproxy",
    "NPM_CONFIG_STRICT_SSL",
    "PIP_INDEX_URL",
    "PIP_EXTRA_INDEX_URL",
    "PIP_TRUSTED_HOST",
    "PIP_PROXY",
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
/// Where the go command keeps settings, below the user's folder of settings: lines of a variable and its value.
const GO_SETTINGS: &str = "go/env";
/// Variables that name a file, which is shown inside: (variable, what it is called there).
pub(crate) const FILES: [(&str, &str); 10] = [
    ("NODE_EXTRA_CA_CERTS", "node-ca.pem"),
    ("NPM_CONFIG_CAFILE", "npm-ca.pem"),
    ("PIP_CERT", "pip-ca.pem"),
    ("PIP_CLIENT_CERT", "pip-client.pem"),
    ("REQUESTS_CA_BUNDLE", "requests-ca.pem"),
    ("SSL_CERT_FILE", "ca.pem"),
    ("NPM_CONFIG_USERCONFIG", "npmrc"),
    (NPM_GLOBAL, "global-npmrc"),
    ("PIP_CONFIG_FILE", "pip.conf"),
    ("NETRC", "netrc"),
];
/// npm's settings for the whole machine.
pub(crate) const NPM_GLOBAL: &str = "NPM_CONFIG_GLOBALCONFIG";
/// Files that are at the same place inside: pip's settings for the whole machine, in the order in which it reads them.
const SAME_PLACE: [&str; 2] = ["/etc/xdg/pip/pip.conf", "/etc/pip.conf"];
/// Variables that say what files may say, too.
const OVER_FILES: [&str; 2] = ["NPM_CONFIG_CAFILE", "PIP_CERT"];
/// How a variable says that there is no such file.
const NOTHING: &str = "/dev/null";

/// Reads variables of the service's environment; by default there are none.
#[derive(Clone, Default)]
pub struct Variables(Option<Arc<Lookup>>);

type Lookup = dyn Fn(&str) -> Option<String> + Send + Sync;

impl Variables {
    /// Those that `lookup` finds.
    pub fn new(lookup: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(lookup)))
    }

    pub(crate) fn value(&self, name: &str) -> Option<String> {
        self.0.as_ref().and_then(|lookup| lookup(name)).filter(|value| !value.is_empty())
    }

    /// One of npm's, that it knows in small letters, too.
    fn either(&self, name: &str) -> Option<String> {
        let small = || self.value(&name.to_ascii_lowercase()).filter(|_| name.starts_with("NPM_"));
        self.value(name).or_else(small)
    }
}

impl fmt::Debug for Variables {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Variables(…)")
    }
}

impl Mirrors {
    /// What this machine has.
    #[must_use]
    pub fn of_machine(variables: Variables) -> Self {
        let mut mirrors = Self::default();
        for name in VARIABLES {
            mirrors.env.extend(variables.value(name).map(|value| (name.to_owned(), value)));
        }
        let homes = Homes::of(&variables);
        let go_settings = homes.settings.as_ref().map(|folder| folder.join(GO_SETTINGS));
        let go_settings = variables.value("GOENV").map(PathBuf::from).or(go_settings);
        let go_settings = go_settings.and_then(|path| std::fs::read_to_string(path).ok());
        for (name, value) in
            go_settings.iter().flat_map(|text| text.lines()).filter_map(|it| it.split_once('='))
        {
            if name.starts_with("GO") && VARIABLES.contains(&name) {
                mirrors.env.entry(name.to_owned()).or_insert_with(|| value.to_owned());
            }
        }
        for (variable, name) in FILES {
            let of_user = (variable == NPM_GLOBAL).then(|| homes.global_npmrc_of_user(&variables)).flatten();
            let said = of_user.or_else(|| variables.either(variable));
            if said.as_deref() == Some(NOTHING) || said.as_deref() == Some(CERTIFICATES) {
                // It is there as it is, and wins over what files say. Elsewhere it is what counts anyway.
                let is_told = said.as_deref() == Some(NOTHING) || OVER_FILES.contains(&variable);
                mirrors.env.extend(said.filter(|_| is_told).map(|path| (variable.to_owned(), path)));
                continue;
            }
            // Certificates that are named and not there are told of in build logs; settings may be missing.
            let is_wanted = |path: &PathBuf| name.ends_with(".pem") || path.is_file();
            let said = said.map(PathBuf::from).filter(is_wanted);
            if let Some(file) = said.or_else(|| homes.usual(variable, &variables)) {
                let inside = format!("{INSIDE}/{name}");
                mirrors.env.insert(variable.to_owned(), inside.clone());
                mirrors.files.push((file, inside.into()));
            }
        }
        let same = SAME_PLACE.map(PathBuf::from).into_iter().filter(|path| path.is_file());
        mirrors.files.extend(same.map(|path| (path.clone(), path)));
        mirrors.variables = variables;
        mirrors
    }
}

/// Where the service's user has settings.
struct Homes {
    home: Option<PathBuf>,
    settings: Option<PathBuf>,
}

impl Homes {
    fn of(variables: &Variables) -> Self {
        let home = variables.value("HOME").map(PathBuf::from);
        let settings = variables.value("XDG_CONFIG_HOME").map(PathBuf::from);
        Self { settings: settings.or_else(|| Some(home.as_ref()?.join(".config"))), home }
    }

    /// What a variable that isn't set stands for: the first of its files that is there.
    fn usual(&self, variable: &str, variables: &Variables) -> Option<PathBuf> {
        let at_home = |below: &str| self.home.as_ref().map(|home| home.join(below));
        let places = match variable {
            "NPM_CONFIG_USERCONFIG" => vec![at_home(".npmrc")],
            NPM_GLOBAL => Self::global_npmrc(variables),
            "PIP_CONFIG_FILE" => {
                vec![self.settings.as_ref().map(|it| it.join("pip/pip.conf")), at_home(".pip/pip.conf")]
            }
            "NETRC" => vec![at_home(".netrc")],
            _ => Vec::new(),
        };
        places.into_iter().flatten().find(|path| path.is_file())
    }

    /// Where the user's settings of npm say that the global ones are, which npm follows before the variable.
    fn global_npmrc_of_user(&self, variables: &Variables) -> Option<String> {
        let user = variables.either("NPM_CONFIG_USERCONFIG").map(PathBuf::from);
        let user = user.or_else(|| Some(self.home.as_ref()?.join(".npmrc")))?;
        let text = npmrc::expanded(&std::fs::read_to_string(user).ok()?, &|name| variables.value(name));
        npmrc::setting(&text, npmrc::GLOBAL).map(str::to_owned)
    }

    /// Where npm of this machine looks for its global settings: at its prefix, which is that of node, and where
    /// distributions have them.
    fn global_npmrc(variables: &Variables) -> Vec<Option<PathBuf>> {
        let prefix = variables.either("NPM_CONFIG_PREFIX").or_else(|| variables.value("PREFIX"));
        let node = || {
            let path = variables.value("PATH")?;
            let node =
                std::env::split_paths(&path).find_map(|folder| folder.join("node").canonicalize().ok())?;
            Some(node.parent()?.parent()?.to_owned())
        };
        let at_prefix = prefix.map(PathBuf::from).or_else(node).map(|prefix| prefix.join("etc/npmrc"));
        vec![at_prefix, Some("/etc/npmrc".into())]
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::fs;
    use std::path::Path;

    use super::*;

    fn inside<'a>(mirrors: &'a Mirrors, path: &str) -> Option<&'a Path> {
        let found = mirrors.files.iter().find(|(_, inside)| inside == Path::new(path));
        found.map(|(here, _)| here.as_path())
    }

    #[test]
    fn the_machines_files_and_variables_are_passed_on() {
        let home = tempfile::tempdir().unwrap();
        let path = |name: &str| home.path().join(name);
        for (name, text) in [
            (".npmrc", "registry=x"),
            ("prefix/etc/npmrc", "registry=y"),
            (".pip/pip.conf", ""),
            ("ca.pem", ""),
            (".config/go/env", "GOPROXY=http://go\nGOFLAGS=-x\nGOSUMDB=off\n"),
        ] {
            fs::create_dir_all(path(name).parent().unwrap()).unwrap();
            fs::write(path(name), text).unwrap();
        }
        let variables = HashMap::from([
            ("HOME", home.path().display().to_string()),
            ("HTTPS_PROXY", "http://proxy:1".to_owned()),
            ("GOSUMDB", "sum.go".to_owned()),
            ("PIP_CERT", path("ca.pem").display().to_string()),
            ("SSL_CERT_FILE", CERTIFICATES.to_owned()),
            ("npm_config_cafile", CERTIFICATES.to_owned()),
            ("NODE_EXTRA_CA_CERTS", path("missing").display().to_string()),
            ("NETRC", NOTHING.to_owned()),
            ("PREFIX", path("prefix").display().to_string()),
            ("PRIVATE", "secret".to_owned()),
        ]);
        let mirrors = Mirrors::of_machine(Variables::new(move |name| variables.get(name).cloned()));
        let told: Vec<_> = mirrors.env.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(
            told,
            [
                ("GOPROXY", "http://go"),
                ("GOSUMDB", "sum.go"),
                ("HTTPS_PROXY", "http://proxy:1"),
                ("NETRC", NOTHING),
                ("NODE_EXTRA_CA_CERTS", "/etc/cloudbox/node-ca.pem"),
                ("NPM_CONFIG_CAFILE", CERTIFICATES),
                ("NPM_CONFIG_GLOBALCONFIG", "/etc/cloudbox/global-npmrc"),
                ("NPM_CONFIG_USERCONFIG", "/etc/cloudbox/npmrc"),
                ("PIP_CERT", "/etc/cloudbox/pip-ca.pem"),
                ("PIP_CONFIG_FILE", "/etc/cloudbox/pip.conf"),
            ]
        );
        for (name, here) in
            [("npmrc", ".npmrc"), ("global-npmrc", "prefix/etc/npmrc"), ("pip.conf", ".pip/pip.conf")]
        {
            assert_eq!(inside(&mirrors, &format!("{INSIDE}/{name}")), Some(path(here).as_path()));
        }
        assert_eq!(inside(&mirrors, "/etc/cloudbox/ca.pem"), None);

        let own = [("HTTPS_PROXY".to_owned(), "http://own:2".to_owned())].into();
        let mirrors = mirrors.with(own, vec![("/my/npmrc".into(), "/etc/cloudbox/npmrc".into())]);
        assert_eq!(mirrors.env["HTTPS_PROXY"], "http://own:2");
        assert_eq!(inside(&mirrors, "/etc/cloudbox/npmrc"), Some(Path::new("/my/npmrc")));
    }

    #[test]
    fn npms_global_settings_are_where_npm_looks_for_them() {
        let home = tempfile::tempdir().unwrap();
        let path = |name: &str| home.path().join(name).display().to_string();
        for name in ["named", "node/etc/npmrc", "node/bin/node", "prefix/etc/npmrc"] {
            fs::create_dir_all(home.path().join(name).parent().unwrap()).unwrap();
            fs::write(home.path().join(name), "").unwrap();
        }
        let global = |variables: &[(&str, String)]| {
            let variables: HashMap<String, String> =
                variables.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
            let mirrors = Mirrors::of_machine(Variables::new(move |name| variables.get(name).cloned()));
            inside(&mirrors, "/etc/cloudbox/global-npmrc").map(|path| path.display().to_string())
        };
        let mut variables = vec![("PATH", path("node/bin")), ("HOME", path(""))];
        assert_eq!(global(&variables), Some(path("node/etc/npmrc")));
        variables.push(("NPM_CONFIG_PREFIX", path("prefix")));
        assert_eq!(global(&variables), Some(path("prefix/etc/npmrc")));
        fs::write(home.path().join(".npmrc"), format!("globalconfig={}\n", path("named"))).unwrap();
        assert_eq!(global(&variables), Some(path("named")));
        fs::remove_file(home.path().join(".npmrc")).unwrap();
        variables.push(("npm_config_globalconfig", path("node/etc/npmrc")));
        assert_eq!(global(&variables), Some(path("node/etc/npmrc")));
    }
}
