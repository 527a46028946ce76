//! The program: `serve` runs the service, `doctor` looks at the machine, everything else is the service's client.

use std::process::ExitCode;

use clap::Parser;
use cloudbox::config::{Config, ServeArgs, check_variables, environment, variables};
use cloudbox::doctor::DoctorArgs;
use cloudbox::first_process;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Serverless functions on your own machine.
#[derive(Debug, Parser)]
#[command(name = "cloudbox", version, about, max_term_width = 100)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Run the service.
    Serve(ServeArgs),
    /// Read one source from stdin, for the service: a parser that hostile text can crash is kept out of it.
    #[command(hide = true)]
    ReadSource,
    /// Look at what this machine has for the service, and what is missing.
    Doctor(DoctorArgs),
    #[command(flatten)]
    Client(cloudbox_cli::Command),
}

fn main() -> ExitCode {
    let args = Args::parse();
    if first_process::is_first() && matches!(args.command, Command::Serve(_)) {
        return first_process::run().unwrap_or_else(|error| fail(&format!("as process 1: {error}")));
    }
    if matches!(args.command, Command::ReadSource) {
        // Hostile text may crash it, and no core file is to tell of other users' code.
        if let Err(error) = nix::sys::prctl::set_dumpable(false) {
            return fail(&format!("protecting the process: {error}"));
        }
        return cloudbox_check::answer_one().map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS);
    }
    if let Err(error) = first_process::take_signals() {
        return fail(&format!("signals: {error}"));
    }
    // One provider of cryptography for everything that speaks TLS.
    if rustls::crypto::aws_lc_rs::default_provider().install_default().is_err() {
        return fail("another cryptography provider is installed");
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&format!("the runtime can't start: {error}")),
    };
    let code = match args.command {
        Command::Serve(args) => match runtime.block_on(serve(&args)) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(&format!("{error:#}")),
        },
        Command::Doctor(args) => match runtime.block_on(cloudbox::doctor::run(&args)) {
            Ok(true) => ExitCode::SUCCESS,
            Ok(false) => ExitCode::FAILURE,
            Err(error) => fail(&format!("{error:#}")),
        },
        Command::ReadSource => ExitCode::SUCCESS,
        Command::Client(command) => runtime.block_on(cloudbox_cli::run(command)),
    };
    // A bundle that is being made can't be broken off, and need not be waited for: a half one is never used.
    runtime.shutdown_background();
    code
}

async fn serve(args: &ServeArgs) -> anyhow::Result<()> {
    check_variables(variables().iter().map(String::as_str))?;
    let config = Config::load(args, &environment)?;
    cloudbox::serve::serve(config).await
}

#[expect(clippy::print_stderr, reason = "the one place where the program ends with a sentence for a person")]
fn fail(why: &str) -> ExitCode {
    eprintln!("cloudbox: {why}");
    ExitCode::FAILURE
}
