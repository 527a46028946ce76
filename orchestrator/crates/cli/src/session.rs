//! What every subcommand works with: the service, the terminal, and how answers are printed.

use crate::client::Client;
use crate::{Error, Terminal, connection};

/// One run of one subcommand.
pub struct Session<'a> {
    /// The service.
    pub client: Client,
    /// Where to write.
    pub terminal: &'a mut Terminal,
    /// What stands for the token in a line for the shell.
    pub credential_word: String,
    /// Whether answers are printed as they came.
    pub is_json: bool,
}

impl<'a> Session<'a> {
    /// Prepares to talk to the service; sends nothing yet.
    ///
    /// # Errors
    /// As [`Client::new`].
    pub fn open(args: &connection::Args, terminal: &'a mut Terminal) -> Result<Self, Error> {
        let client = Client::new(args)?;
        Ok(Self { client, terminal, credential_word: args.credential_word(), is_json: args.is_json })
    }
}
