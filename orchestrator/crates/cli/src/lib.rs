//! The command line's client: every subcommand of `cloudbox` but `serve`. Sees only the HTTP API.
//!
//! Data goes to stdout, words go to stderr. Exit codes: 0 done, 1 failed, 2 used wrongly, 130 interrupted.

use std::process::ExitCode;

pub mod alias;
pub mod client;
pub mod connection;
pub mod deploy;
pub mod error;
pub mod follow;
pub mod invoke;
pub mod list;
pub mod logs;
pub mod runtimes;
pub mod scaling;
pub mod secrets;
pub mod session;
pub mod storage;
pub mod table;
pub mod terminal;
pub mod versions;

pub use error::Error;
pub use session::Session;
pub use terminal::Terminal;

/// What the shell is told where Ctrl-C ended a command: 128 + SIGINT.
const INTERRUPTED: u8 = 130;

/// The client's subcommands; the program flattens them beside `serve`.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Create or change a function from a file or a folder, and deploy it
    Deploy(Box<deploy::Args>),
    /// Call a function and print its answer
    Invoke(Box<invoke::Args>),
    /// Show a function's calls, newest last
    Logs(logs::Args),
    /// List the project's functions
    #[command(visible_alias = "ls")]
    List(list::Args),
    /// List a function's versions
    Versions(versions::Args),
    /// Make a version the active one
    Activate(versions::ActivateArgs),
    /// Make the version active again that was before
    Rollback(versions::Args),
    /// Show how two versions differ
    Diff(versions::DiffArgs),
    /// Show or change how many sandboxes a function may have
    Scale(scaling::Args),
    /// Name versions, and split calls between two
    #[command(subcommand)]
    Alias(alias::Command),
    /// List, install and remove the runtimes of the service
    Runtimes(runtimes::Args),
    /// Set, list and take away variables that all functions of the project get
    Secrets(secrets::Args),
    /// Look after what the service keeps
    #[command(subcommand)]
    Storage(storage::Command),
}

impl Command {
    const fn connection(&self) -> &connection::Args {
        match self {
            Self::Deploy(args) => &args.connection,
            Self::Invoke(args) => &args.connection,
            Self::Logs(args) => &args.connection,
            Self::List(args) => &args.connection,
            Self::Versions(args) | Self::Rollback(args) => &args.connection,
            Self::Activate(args) => &args.connection,
            Self::Diff(args) => &args.connection,
            Self::Scale(args) => &args.connection,
            Self::Alias(command) => command.connection(),
            Self::Runtimes(args) => &args.connection,
            Self::Secrets(args) => &args.connection,
            Self::Storage(command) => command.connection(),
        }
    }
}

/// Runs a subcommand on the process's own terminal until it ends or Ctrl-C ends it.
pub async fn run(command: Command) -> ExitCode {
    let connection = command.connection();
    let mut terminal = Terminal::of_process(connection.has_no_color, connection.is_quiet);
    let code = tokio::select! {
        code = run_on(&command, &mut terminal) => code,
        Ok(()) = tokio::signal::ctrl_c() => INTERRUPTED,
    };
    terminal.restore();
    ExitCode::from(code)
}

/// Runs a subcommand on any terminal and says how it ended: its exit code.
pub async fn run_on(command: &Command, terminal: &mut Terminal) -> u8 {
    let outcome = match Session::open(command.connection(), terminal) {
        Ok(mut session) => dispatch(command, &mut session).await,
        Err(error) => Err(error),
    };
    match outcome {
        Ok(()) => 0,
        Err(error) => error.report(terminal, command.connection().is_json),
    }
}

async fn dispatch(command: &Command, session: &mut Session<'_>) -> Result<(), Error> {
    match command {
        Command::Deploy(args) => deploy::run(args, session).await,
        Command::Invoke(args) => invoke::run(args, session).await,
        Command::Logs(args) => logs::run(args, session).await,
        Command::List(_) => list::run(session).await,
        Command::Versions(args) => versions::run(args, session).await,
        Command::Activate(args) => versions::activate(args, session).await,
        Command::Rollback(args) => versions::roll_back(args, session).await,
        Command::Diff(args) => versions::diff(args, session).await,
        Command::Scale(args) => scaling::run(args, session).await,
        Command::Alias(command) => alias::run(command, session).await,
        Command::Runtimes(args) => runtimes::run(args, session).await,
        Command::Secrets(args) => secrets::run(args, session).await,
        Command::Storage(command) => storage::run(command, session).await,
    }
}
