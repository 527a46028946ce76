//! `cloudbox invoke`: one call through `execute`; the handler's result to stdout, what it printed to stderr.

use std::collections::BTreeMap;
use std::io::Read;

use cloudbox_api_types::{ExecuteAnswer, ExecuteRequest};
use reqwest::Method;
use serde_json::value::RawValue;

use crate::{Error, Session, connection};

/// Options of `invoke`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The function's name or id
    pub name: String,
    /// The event's data: JSON, @FILE, or - for stdin
    #[arg(short = 'd', long, value_name = "JSON|@FILE|-")]
    pub data: Option<String>,
    /// The method that the handler sees
    #[arg(short = 'X', long)]
    pub method: Option<String>,
    /// The path that the handler sees
    #[arg(long)]
    pub path: Option<String>,
    /// A header that the handler sees; may be repeated
    #[arg(short = 'H', long, value_name = "NAME: VALUE")]
    pub header: Vec<String>,
    /// The query that the handler sees, such as `a=1&b=2`
    #[arg(long)]
    pub query: Option<String>,
    /// Seconds that the call may take, at most the function's own timeout
    #[arg(long, value_name = "SECONDS")]
    pub timeout: Option<f64>,
    /// The version that is called: its number, or an alias
    #[arg(long = "of", value_name = "VERSION|ALIAS")]
    pub version: Option<String>,
    /// Which service, and as whom.
    #[command(flatten)]
    pub connection: connection::Args,
}

/// Calls the function.
///
/// # Errors
/// The data is no JSON, the service refuses, or the function failed.
pub async fn run(args: &Args, session: &mut Session<'_>) -> Result<(), Error> {
    let body = request(args)?;
    let request = session.client.functions(Method::POST, &[&args.name, "execute"]).json(&body);
    if session.is_json {
        let answer: Box<RawValue> = session.client.json(request).await?;
        return session.terminal.data(answer.get());
    }
    let answer: ExecuteAnswer = session.client.json(request).await?;
    session.terminal.block(&answer.logs);
    session.terminal.data(answer.response.get())
}

fn request(args: &Args) -> Result<ExecuteRequest, Error> {
    Ok(ExecuteRequest {
        data: args.data.as_deref().map(data).transpose()?,
        headers: if args.header.is_empty() { None } else { Some(headers(&args.header)?) },
        method: args.method.clone(),
        path: args.path.clone(),
        query: args.query.clone().map(Into::into),
        timeout_ms: args.timeout.map(milliseconds).transpose()?,
        version: args.version.clone().map(Into::into),
    })
}

/// The JSON that `--data` names, passed on as it is written.
fn data(text: &str) -> Result<Box<RawValue>, Error> {
    let (text, place) = match (text, text.strip_prefix('@')) {
        ("-", _) => (read_stdin()?, "stdin".to_owned()),
        (_, Some(path)) => {
            let text = std::fs::read_to_string(path).map_err(Error::reading(path.as_ref()))?;
            (text, path.to_owned())
        }
        _ => (text.to_owned(), "--data".to_owned()),
    };
    RawValue::from_string(text.trim().to_owned()).map_err(|error| {
        Error::Usage(format!("{place} must be JSON ({error}); a plain text is written \"in quotes\""))
    })
}

fn read_stdin() -> Result<String, Error> {
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text).map_err(Error::reading("stdin".as_ref()))?;
    Ok(text)
}

fn headers(lines: &[String]) -> Result<BTreeMap<String, String>, Error> {
    let pair = |line: &String| {
        let (name, value) = line.split_once(':').filter(|(name, _)| !name.trim().is_empty())?;
        Some((name.trim().to_owned(), value.trim().to_owned()))
    };
    lines
        .iter()
        .map(|line| pair(line).ok_or_else(|| Error::Usage("--header must be `Name: value`".to_owned())))
        .collect()
}

fn milliseconds(seconds: f64) -> Result<u64, Error> {
    let duration = std::time::Duration::try_from_secs_f64(seconds).unwrap_or_default();
    let milliseconds = u64::try_from(duration.as_millis()).unwrap_or_default();
    if milliseconds == 0 {
        return Err(Error::Usage("--timeout must be at least 0.001 (seconds)".to_owned()));
    }
    Ok(milliseconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_is_passed_as_written_and_must_be_json() {
        assert_eq!(data(" {\"n\": 1e400} ").unwrap().get(), "{\"n\": 1e400}");
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "[1]\n").unwrap();
        assert_eq!(data(&format!("@{}", file.path().display())).unwrap().get(), "[1]");
        let message = data("hello").unwrap_err().to_string();
        assert!(message.starts_with("--data must be JSON"), "{message}");
        assert!(data("@/nowhere").unwrap_err().to_string().starts_with("can't read /nowhere"));
    }

    #[test]
    fn headers_and_timeouts_are_checked() {
        let parsed = headers(&["X-A: b: c".to_owned(), "y:".to_owned()]).unwrap();
        assert_eq!((parsed["X-A"].as_str(), parsed["y"].as_str()), ("b: c", ""));
        assert!(headers(&["no colon".to_owned()]).is_err() && headers(&[": x".to_owned()]).is_err());
        assert_eq!(milliseconds(1.5).unwrap(), 1500);
        for bad in [0.0, -1.0, f64::NAN, 1e300] {
            assert!(milliseconds(bad).is_err(), "{bad}");
        }
    }
}
