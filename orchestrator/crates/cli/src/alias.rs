//! `cloudbox alias`: names of versions, and splits between two of them.

use cloudbox_api_types::List;
use cloudbox_api_types::version::{Alias, SetAlias, Split};
use reqwest::Method;
use serde_json::Value;

use crate::{Error, Session, connection, table};

/// What `alias` does.
#[derive(Clone, Debug, clap::Subcommand)]
pub enum Command {
    /// List a function's aliases
    #[command(visible_alias = "ls")]
    List(ListArgs),
    /// Set an alias to a version, or to a split between two
    Set(Box<SetArgs>),
    /// Delete an alias
    Delete(DeleteArgs),
}

/// Options of `alias list`.
#[derive(Clone, Debug, clap::Args)]
pub struct ListArgs {
    /// The function's name or id
    pub name: String,
    /// Which service, and as whom.
    #[command(flatten)]
    pub connection: connection::Args,
}

/// Options of `alias set`.
#[derive(Clone, Debug, clap::Args)]
pub struct SetArgs {
    /// The function's name or id
    pub name: String,
    /// The alias; `active` is what calls get that name no version
    pub alias: String,
    /// The version that it names
    pub version: i64,
    /// Another version that gets a part of its calls
    #[arg(long, requires = "weight")]
    pub split: Option<i64>,
    /// Percent of the calls that the other version gets
    #[arg(long, requires = "split")]
    pub weight: Option<f64>,
    /// What keeps a caller at one of the two: key, address, none, header:NAME or cookie:NAME
    #[arg(long, requires = "split")]
    pub sticky: Option<String>,
    /// The split ends by itself where more than this part of the other version's calls fail, 0 to 1
    #[arg(long, requires = "split")]
    pub max_error_rate: Option<f64>,
    /// Calls before it is judged
    #[arg(long, requires = "max_error_rate")]
    pub min_calls: Option<u32>,
    /// Seconds that a call counts
    #[arg(long, value_name = "SECONDS", requires = "max_error_rate")]
    pub window: Option<u32>,
    /// Which service, and as whom.
    #[command(flatten)]
    pub connection: connection::Args,
}

/// Options of `alias delete`.
#[derive(Clone, Debug, clap::Args)]
pub struct DeleteArgs {
    /// The function's name or id
    pub name: String,
    /// The alias
    pub alias: String,
    /// Which service, and as whom.
    #[command(flatten)]
    pub connection: connection::Args,
}

impl Command {
    /// Which service, and as whom.
    #[must_use]
    pub const fn connection(&self) -> &connection::Args {
        match self {
            Self::List(args) => &args.connection,
            Self::Set(args) => &args.connection,
            Self::Delete(args) => &args.connection,
        }
    }
}

/// Lists, sets or deletes.
///
/// # Errors
/// The service refuses.
pub async fn run(command: &Command, session: &mut Session<'_>) -> Result<(), Error> {
    match command {
        Command::List(args) => list(args, session).await,
        Command::Set(args) => set(args, session).await,
        Command::Delete(args) => delete(args, session).await,
    }
}

async fn list(args: &ListArgs, session: &mut Session<'_>) -> Result<(), Error> {
    let request = session.client.functions(Method::GET, &[&args.name, "aliases"]);
    let request = request.query(&[("limit", "1000")]);
    if session.is_json {
        let list: Value = session.client.json(request).await?;
        return session.terminal.json(&list);
    }
    let list: List<Alias> = session.client.json(request).await?;
    let head = ["ALIAS", "VERSION", "SPLIT", "ROLLED BACK", "URL"];
    session.terminal.data(&table::render(&head, list.items.into_iter().map(row)))
}

fn row(alias: Alias) -> Vec<String> {
    let dash = || "-".to_owned();
    let split = alias.split.map(|split| format!("{} % to {}", split.weight, split.version));
    vec![
        alias.alias,
        alias.version.to_string(),
        split.unwrap_or_else(dash),
        alias.rolled_back.map_or_else(dash, |note| note.reason),
        alias.url,
    ]
}

async fn set(args: &SetArgs, session: &mut Session<'_>) -> Result<(), Error> {
    let split = args.split.zip(args.weight).map(|(version, weight)| Split {
        version,
        weight,
        sticky: args.sticky.clone(),
        max_error_rate: args.max_error_rate,
        min_calls: args.min_calls,
        window_s: args.window,
    });
    let body = SetAlias { version: args.version, split };
    let request = session.client.functions(Method::PUT, &[&args.name, "aliases", &args.alias]).json(&body);
    if session.is_json {
        let alias: Value = session.client.json(request).await?;
        return session.terminal.json(&alias);
    }
    let alias: Alias = session.client.json(request).await?;
    session.terminal.say(&format!("{} is version {} of {}", alias.alias, alias.version, args.name));
    session.terminal.data(&alias.url)
}

async fn delete(args: &DeleteArgs, session: &mut Session<'_>) -> Result<(), Error> {
    let request = session.client.functions(Method::DELETE, &[&args.name, "aliases", &args.alias]);
    session.client.send(request).await?;
    session.terminal.say(&format!("{} has no alias {} any more", args.name, args.alias));
    Ok(())
}
