//! What one installation is lent of the machine's settings for package managers.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::machine::NPM_GLOBAL;
use crate::{CERTIFICATES, INSIDE, Mirrors, named, npmrc, pip_conf, secrets_in, trusted};

/// How pip is told to trust hosts that are reached without encryption.
const TRUSTED: &str = "PIP_TRUSTED_HOST";
/// The user's settings of pip, which it reads after the machine's.
const PIP_CONFIG: &str = "PIP_CONFIG_FILE";
/// Variables that name settings of npm.
const NPM_CONFIGS: [&str; 2] = ["NPM_CONFIG_USERCONFIG", NPM_GLOBAL];

/// Variables and files, read anew for each installation.
#[derive(Debug, Default)]
pub struct Lent {
    /// More environment.
    pub env: BTreeMap<String, String>,
    /// Files: (inside, what is in them).
    pub files: Vec<(PathBuf, Vec<u8>)>,
    /// What must not be told of them.
    pub secrets: Vec<String>,
    /// What was named and could not be lent, a line for each.
    pub notes: Vec<String>,
}

impl Lent {
    /// What these mirrors come to now: files that settings of npm and pip name are lent with them.
    #[must_use]
    pub fn of(mirrors: &Mirrors) -> Self {
        let mut lent = Self { env: mirrors.env.clone(), ..Self::default() };
        lent.secrets = mirrors.env.values().flat_map(|value| secrets_in(value)).collect();
        let mut trusting: Vec<String> = mirrors.env.values().flat_map(|value| trusted(&[value])).collect();
        let mut of_pip = Vec::new();
        for (here, inside) in &mirrors.files {
            let Some(bytes) = lent.read(mirrors, here, inside) else { continue };
            let text = match String::from_utf8(bytes) {
                Ok(text) => mirrors.expanded(inside, text),
                Err(other) => {
                    lent.files.push((inside.clone(), other.into_bytes()));
                    continue;
                }
            };
            let text = if mirrors.is_npms(inside) {
                npmrc::with_paths(&text, &mut |name, path| match name {
                    npmrc::GLOBAL => mirrors.env.get(NPM_GLOBAL).cloned(),
                    _ => lent.place(mirrors, (name, here), path),
                })
            } else {
                text
            };
            lent.secrets.extend(secrets_in(&text));
            trusting.extend(trusted(&[&text]));
            lent.files.push((inside.clone(), named(&text).into_bytes()));
            if mirrors.is_pips(inside) {
                of_pip.push((here.as_path(), inside.as_path(), text));
            }
        }
        // The user's are read last.
        of_pip.sort_by_key(|(_, inside, _)| mirrors.is_named_by(PIP_CONFIG, inside));
        lent.certificates_of_pip(mirrors, &of_pip);
        for value in lent.env.values_mut() {
            *value = named(value);
        }
        if !trusting.is_empty() {
            trusting.extend(mirrors.env.get(TRUSTED).cloned());
            lent.env.insert(TRUSTED.to_owned(), trusting.join(" "));
        }
        lent
    }

    /// A file of the settings; one that isn't there is noted, and the variable of it goes.
    fn read(&mut self, mirrors: &Mirrors, here: &Path, inside: &Path) -> Option<Vec<u8>> {
        let read = std::fs::read(here);
        if let Err(error) = &read {
            let variable = mirrors.env.iter().find(|(_, value)| Path::new(value) == inside);
            let setting = variable.map_or("`builds.files`", |(name, _)| name);
            self.notes.push(unread(setting, &here.display().to_string(), error));
            self.env.retain(|_, value| Path::new(value) != inside);
        }
        read.ok()
    }

    /// pip's variables win over its files, and runtimes have one for the machine's certificates: so what its files name
    /// is told by variables, too.
    fn certificates_of_pip(&mut self, mirrors: &Mirrors, read: &[(&Path, &Path, String)]) {
        let texts: Vec<&str> = read.iter().map(|(_, _, text)| text.as_str()).collect();
        for (name, variable) in pip_conf::PATHS {
            if mirrors.env.contains_key(variable) {
                continue;
            }
            if let Some((number, path)) = pip_conf::setting(&texts, name) {
                let inside = self.place(mirrors, (name, read[number].0), path);
                self.env.extend(inside.map(|inside| (variable.to_owned(), inside)));
            }
        }
    }

    /// Where a file that a setting names is inside. None where it can't be read, which is noted.
    fn place(&mut self, mirrors: &Mirrors, (name, file): (&str, &Path), path: &str) -> Option<String> {
        let is_inside = |path: &str| mirrors.files.iter().any(|(_, inside)| inside == Path::new(path));
        if path == CERTIFICATES || is_inside(path) {
            return Some(path.to_owned());
        }
        match std::fs::read(mirrors.at_home(path)) {
            Ok(bytes) => {
                let inside = format!("{INSIDE}/named-{}.pem", self.files.len());
                self.files.push((inside.clone().into(), bytes));
                Some(inside)
            }
            Err(error) => {
                let setting = format!("`{name}` in {}", file.display());
                self.notes.push(unread(&setting, path, &error));
                None
            }
        }
    }
}

fn unread(setting: &str, path: &str, error: &std::io::Error) -> String {
    format!("warning: {setting} names {path}, which can't be read: {error}")
}

impl Mirrors {
    /// A file's text, with the values of the variables that it names where it is npm's.
    pub(crate) fn expanded(&self, inside: &Path, text: String) -> String {
        if !self.is_npms(inside) {
            return text;
        }
        npmrc::expanded(&text, &|name| self.env.get(name).cloned().or_else(|| self.variables.value(name)))
    }

    /// A path that may begin at the home folder.
    pub(crate) fn at_home(&self, path: &str) -> PathBuf {
        let below = path.strip_prefix("~/").zip(self.variables.value("HOME"));
        below.map_or_else(|| path.into(), |(below, home)| Path::new(&home).join(below))
    }

    fn is_npms(&self, inside: &Path) -> bool {
        let is_named = NPM_CONFIGS.iter().any(|variable| self.is_named_by(variable, inside));
        is_named || inside.file_name().is_some_and(|name| name == "npmrc" || name == ".npmrc")
    }

    fn is_pips(&self, inside: &Path) -> bool {
        self.is_named_by(PIP_CONFIG, inside) || inside.file_name().is_some_and(|name| name == "pip.conf")
    }

    fn is_named_by(&self, variable: &str, inside: &Path) -> bool {
        self.env.get(variable).is_some_and(|value| Path::new(value) == inside)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::Variables;

    fn machine(home: &Path, files: &[(&str, &str)]) -> Mirrors {
        for (name, text) in files {
            fs::create_dir_all(home.join(name).parent().unwrap()).unwrap();
            fs::write(home.join(name), text).unwrap();
        }
        let at = home.to_owned();
        let value = move |name: &str| match name {
            "HOME" => Some(at.display().to_string()),
            "NPM_TOKEN" => Some("tok-1".to_owned()),
            "CERTS" => Some(at.join("certs").display().to_string()),
            _ => None,
        };
        let mut mirrors = Mirrors { variables: Variables::new(value), ..Mirrors::default() };
        for (variable, name) in [
            ("NPM_CONFIG_USERCONFIG", "npmrc"),
            ("PIP_CONFIG_FILE", "pip.ini"),
            ("NODE_EXTRA_CA_CERTS", "gone"),
        ] {
            mirrors.env.insert(variable.to_owned(), format!("/etc/cloudbox/{name}"));
            mirrors.files.push((home.join(name), format!("/etc/cloudbox/{name}").into()));
        }
        mirrors.files.push((home.join("pip.conf"), "/etc/pip.conf".into()));
        mirrors
    }

    fn text(lent: &Lent, inside: &str) -> String {
        let (_, bytes) = lent.files.iter().find(|(path, _)| path == Path::new(inside)).unwrap();
        String::from_utf8(bytes.clone()).unwrap()
    }

    #[test]
    fn files_that_settings_name_are_lent_with_them() {
        let home = tempfile::tempdir().unwrap();
        let npmrc = "cafile=~/ca.pem\n//npm.corp/:certfile=${CERTS}/client.pem\n//npm.corp/:_authToken=${NPM_TOKEN}\n\
                     //npm.corp/:keyfile=/not/there\n";
        let mirrors = machine(
            home.path(),
            &[
                ("npmrc", npmrc),
                ("ca.pem", "CA"),
                ("certs/client.pem", "CLIENT"),
                ("machine.pem", "MACHINE"),
                ("pip.ini", "[global]\ncert = ~/ca.pem\nclient-cert = /etc/cloudbox/pip.ini\n"),
                ("pip.conf", "[global]\ncert = ~/machine.pem\n"),
            ],
        );
        let lent = Lent::of(&mirrors);
        let npmrc = text(&lent, "/etc/cloudbox/npmrc");
        let lines: Vec<&str> = npmrc.lines().collect();
        let place = |line: &str| text(&lent, line.split_once('=').unwrap().1);
        assert_eq!((place(lines[0]), place(lines[1])), ("CA".to_owned(), "CLIENT".to_owned()));
        assert_eq!(lines[2..], ["//npm.corp/:_authToken=tok-1", "//npm.corp/:keyfile=/not/there"]);
        assert!(lent.secrets.contains(&"tok-1".to_owned()), "{:?}", lent.secrets);
        assert_eq!(text(&lent, &lent.env["PIP_CERT"]), "CA", "the user's file wins");
        assert_eq!(lent.env["PIP_CLIENT_CERT"], "/etc/cloudbox/pip.ini", "it is there already");
        assert!(!lent.env.contains_key("NODE_EXTRA_CA_CERTS"), "{:?}", lent.env);
        let gone = home.path().join("gone");
        let expected = [
            format!("`keyfile` in {} names /not/there, which", home.path().join("npmrc").display()),
            format!("NODE_EXTRA_CA_CERTS names {}, which", gone.display()),
        ];
        assert_eq!(lent.notes.len(), 2, "{:?}", lent.notes);
        for (note, expected) in lent.notes.iter().zip(expected) {
            assert!(note.starts_with(&format!("warning: {expected}")), "{note}");
        }
    }

    #[test]
    fn a_variable_wins_over_what_pips_files_name() {
        let home = tempfile::tempdir().unwrap();
        let conf = "[install]\ncert = /etc/ssl/certs/ca-certificates.crt\n";
        let mut mirrors =
            machine(home.path(), &[("npmrc", ""), ("pip.ini", ""), ("pip.conf", conf), ("gone", "")]);
        assert_eq!(Lent::of(&mirrors).env["PIP_CERT"], CERTIFICATES, "every root has it");
        mirrors.env.insert("PIP_CERT".to_owned(), "/mine".to_owned());
        let lent = Lent::of(&mirrors);
        assert_eq!((lent.env["PIP_CERT"].as_str(), lent.notes.len()), ("/mine", 0));
    }
}
