//! How a command reaches the service and as whom: the options that every subcommand has.

use std::path::{Path, PathBuf};

use crate::Error;

/// Options of every subcommand, and of those below it: `cloudbox secrets list --url …`.
// No group of its own: clap would name it `Args`, as it does that of the subcommand around it.
#[derive(Clone, Debug, clap::Args)]
#[group(skip)]
pub struct Args {
    /// Where the service listens
    #[arg(
        long,
        global = true,
        env = "CLOUDBOX_URL",
        default_value = "http://127.0.0.1:8080",
        help_heading = "Connection"
    )]
    pub url: reqwest::Url,
    /// A token that the service knows
    #[arg(long, global = true, env = "CLOUDBOX_TOKEN", hide_env_values = true, help_heading = "Connection")]
    pub token: Option<String>,
    /// A file that holds the token
    #[arg(
        long,
        global = true,
        env = "CLOUDBOX_TOKEN_FILE",
        value_name = "FILE",
        help_heading = "Connection"
    )]
    pub token_file: Option<PathBuf>,
    /// The service's data folder: its `admin-token` is used where no token is named and the service is on this machine
    #[arg(
        long,
        global = true,
        env = "CLOUDBOX_DATA_DIR",
        value_name = "DIR",
        default_value = "./data",
        help_heading = "Connection"
    )]
    pub data_dir: PathBuf,
    /// The project's slug or id
    #[arg(
        long,
        global = true,
        env = "CLOUDBOX_PROJECT",
        default_value = "default",
        help_heading = "Connection"
    )]
    pub project: String,
    /// Print the service's answer as JSON
    #[arg(long = "json", global = true, help_heading = "Output")]
    pub is_json: bool,
    /// Print no progress and no remarks
    #[arg(short = 'q', long = "quiet", global = true, help_heading = "Output")]
    pub is_quiet: bool,
    /// Print no colours
    #[arg(long = "no-color", global = true, env = "NO_COLOR", value_parser = is_wanted, help_heading = "Output")]
    pub has_no_color: bool,
}

/// `NO_COLOR` counts when it is set to anything but nothing; `false` is what clap says for an absent flag.
#[expect(clippy::unnecessary_wraps, reason = "the form that clap wants of a value's parser")]
fn is_wanted(text: &str) -> Result<bool, std::convert::Infallible> {
    Ok(!matches!(text, "" | "false"))
}

impl Args {
    /// The token to send: the one named, the one in the file named, or that of the data folder. The last is only read
    /// for a service on this machine, so that an administrator's token never leaves it unasked.
    ///
    /// # Errors
    /// A file that was named can't be read.
    pub fn credential(&self) -> Result<Option<String>, Error> {
        if let Some(token) = &self.token {
            return Ok(Some(token.trim().to_owned()));
        }
        if let Some(path) = &self.token_file {
            return read_token(path).map(Some).map_err(Error::reading(path));
        }
        let path = self.data_dir.join("admin-token");
        Ok(if self.is_local() { read_token(&path).ok() } else { None })
    }

    /// What stands for the token in a line for the shell; the token itself is never printed.
    #[must_use]
    pub fn credential_word(&self) -> String {
        let file = match (&self.token, &self.token_file) {
            (Some(_), _) => return "$CLOUDBOX_TOKEN".to_owned(),
            (None, Some(path)) => path.clone(),
            (None, None) if self.is_local() => self.data_dir.join("admin-token"),
            (None, None) => return "$CLOUDBOX_TOKEN".to_owned(),
        };
        format!("$(cat '{}')", file.display())
    }

    /// Whether the service is on this machine.
    #[must_use]
    pub fn is_local(&self) -> bool {
        let host = self.url.host_str().unwrap_or_default();
        let address = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
        host == "localhost" || address.is_ok_and(|address| address.is_loopback())
    }
}

fn read_token(path: &Path) -> std::io::Result<String> {
    Ok(std::fs::read_to_string(path)?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Program {
        #[command(flatten)]
        connection: Args,
    }

    fn parsed(words: &[&str]) -> Args {
        Program::parse_from(std::iter::once(&"cloudbox").chain(words)).connection
    }

    #[test]
    fn the_token_comes_from_the_flag_then_the_file_then_the_data_folder() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("mine");
        std::fs::write(&file, "of-file\n").unwrap();
        std::fs::write(folder.path().join("admin-token"), "of-data\n").unwrap();
        let data = format!("--data-dir={}", folder.path().display());
        let file = format!("--token-file={}", file.display());

        let token = |words: &[&str]| parsed(words).credential().unwrap();
        assert_eq!(token(&[&data, &file, "--token", "of-flag"]).as_deref(), Some("of-flag"));
        assert_eq!(token(&[&data, &file]).as_deref(), Some("of-file"));
        assert_eq!(token(&[&data]).as_deref(), Some("of-data"));
        assert_eq!(token(&["--data-dir=/nowhere"]), None);
        assert!(parsed(&["--token-file=/nowhere/at/all"]).credential().is_err());

        assert_eq!(parsed(&[&data, &file, "--token", "of-flag"]).credential_word(), "$CLOUDBOX_TOKEN");
        assert_eq!(parsed(&["--token-file=/a/b"]).credential_word(), "$(cat '/a/b')");
        assert_eq!(parsed(&["--data-dir=./data"]).credential_word(), "$(cat './data/admin-token')");
    }

    #[test]
    fn the_data_folders_token_stays_on_this_machine() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("admin-token"), "secret").unwrap();
        let data = format!("--data-dir={}", folder.path().display());
        for (url, is_local) in [
            ("http://127.0.0.1:1", true),
            ("http://[::1]:1", true),
            ("http://localhost", true),
            ("https://cloud.example", false),
            ("http://127.0.0.1.example", false),
        ] {
            let token = parsed(&[&data, "--url", url]).credential().unwrap();
            assert_eq!(token.is_some(), is_local, "{url}");
        }
    }

    #[test]
    fn no_color_counts_when_it_is_not_empty() {
        assert!(!parsed(&[]).has_no_color);
        assert!(parsed(&["--no-color"]).has_no_color);
        for (value, wanted) in [("", false), ("1", true), ("0", true)] {
            assert_eq!(is_wanted(value), Ok(wanted), "{value:?}");
        }
    }
}
