//! What a call tried to reach outside its sandbox, and what became of it.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// The most attempts that are listed of one call; further ones are counted.
pub const MOST_LISTED: usize = 100;

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttemptOutcome {
    /// There was, or still is, a connection.
    Ok,
    /// The function's `egress` has no entry for it.
    Refused,
    /// The host's addresses are private, of this machine, or of no network at all, and the operator doesn't allow them.
    RefusedAddress,
    /// The name has no address.
    Unresolved,
    /// Nobody answered at any of its addresses.
    Failed,
    /// A bound of the connection ended it: its bytes, or the time without any.
    Limited,
}

impl AttemptOutcome {
    /// The word of the API, the records and the metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Refused => "refused",
            Self::RefusedAddress => "refused_address",
            Self::Unresolved => "unresolved",
            Self::Failed => "failed",
            Self::Limited => "limited",
        }
    }
}

impl fmt::Display for AttemptOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One attempt to reach a host, as one call saw it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Attempt {
    /// The name or address that was asked for.
    pub host: String,
    /// The port; none where it was looked up alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Where the connection led; none where there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
    /// How it ended; `ok` where it goes on.
    pub outcome: AttemptOutcome,
    /// Bytes from the function, in this call.
    pub bytes_up: u64,
    /// Bytes to the function, in this call.
    pub bytes_down: u64,
    /// Milliseconds of this call in which it was under way.
    pub duration_ms: f64,
    /// Whether the connection was made by an earlier call and went on.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_reused: bool,
}

impl Attempt {
    /// `host:port`, as it would stand in `egress`.
    #[must_use]
    pub fn target(&self) -> String {
        match (self.port, self.host.contains(':')) {
            (None, _) => self.host.clone(),
            (Some(port), false) => format!("{}:{port}", self.host),
            (Some(port), true) => format!("[{}]:{port}", self.host),
        }
    }

    /// What the function's author should know and do about it, as a sentence; none where it went well.
    #[must_use]
    pub fn advice(&self) -> Option<String> {
        let target = self.target();
        match self.outcome {
            AttemptOutcome::Ok => None,
            AttemptOutcome::Refused => {
                let entry = match self.port {
                    None | Some(80 | 443) => &self.host,
                    Some(_) => &target,
                };
                Some(format!("{target} was refused; add {entry:?} to the function's egress to reach it"))
            }
            AttemptOutcome::RefusedAddress => Some(format!(
                "{target} was refused: its address is not a public one; the operator can allow it with \
                 egress.allow_private"
            )),
            AttemptOutcome::Unresolved => Some(format!("{target} has no address; check the name")),
            AttemptOutcome::Failed => Some(format!("{target} does not answer")),
            AttemptOutcome::Limited => Some(format!(
                "the connection to {target} was ended at a limit of bytes or of time without any, as the operator set it"
            )),
        }
    }
}

/// Judges the `egress` of functions, as the operator sets it.
pub trait EgressRule: fmt::Debug + Send + Sync {
    /// What stands against a list: the place of an entry, and what is wrong with it as the end of a sentence.
    fn problem(&self, list: &[String]) -> Option<(usize, String)>;
}

/// What a call tried to reach.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Attempts {
    /// In the order in which they began, at most [`MOST_LISTED`].
    pub listed: Vec<Attempt>,
    /// How many there were beyond.
    pub unlisted: u64,
}

/// Lines of advice about one call.
const MOST_ADVICE: usize = 20;

impl Attempts {
    /// What the function's author should know, as lines for the logs: each host and port once.
    #[must_use]
    pub fn advice(&self) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        for sentence in self.listed.iter().filter_map(Attempt::advice) {
            let line = format!("[egress] {sentence}");
            if lines.len() < MOST_ADVICE && !lines.contains(&line) {
                lines.push(line);
            }
        }
        if self.unlisted > 0 {
            lines.push(format!(
                "[egress] {} more attempts to reach a host are not listed: the limit is {MOST_LISTED}",
                self.unlisted
            ));
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(host: &str, port: Option<u16>, outcome: AttemptOutcome) -> Attempt {
        let (bytes_up, bytes_down, duration_ms) = (0, 0, 0.0);
        Attempt {
            host: host.to_owned(),
            port,
            address: None,
            outcome,
            bytes_up,
            bytes_down,
            duration_ms,
            is_reused: false,
        }
    }

    #[test]
    fn a_refusal_names_the_entry_that_is_missing() {
        let advice = |host, port| attempt(host, port, AttemptOutcome::Refused).advice().unwrap();
        assert!(advice("api.example.com", Some(443)).contains(r#"add "api.example.com" to"#));
        assert!(advice("api.example.com", None).contains(r#"add "api.example.com" to"#));
        assert!(advice("api.example.com", Some(8443)).contains(r#"add "api.example.com:8443" to"#));
        assert!(advice("2001:db8::1", Some(8443)).contains(r#"add "[2001:db8::1]:8443" to"#));
        assert_eq!(attempt("a.b", Some(443), AttemptOutcome::Ok).advice(), None);
    }

    #[test]
    fn an_attempt_is_read_back_as_it_was_written() {
        for outcome in [AttemptOutcome::Ok, AttemptOutcome::RefusedAddress] {
            let attempt = attempt("a.b", None, outcome);
            let json = serde_json::to_string(&attempt).unwrap();
            assert!(json.contains(outcome.as_str()) && !json.contains("is_reused"), "{json}");
            assert_eq!(serde_json::from_str::<Attempt>(&json).unwrap(), attempt);
        }
    }
}
