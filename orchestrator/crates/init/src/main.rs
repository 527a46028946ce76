//! PID 1 of every sandbox, in both drivers.
//!
//! In a container: connects to the control socket, makes the three pipes, and serves. Told `native` it first sets up
//! what a container engine would. Single threaded, static, and the only crate with `unsafe`: each block calls one
//! system function and says why that is sound.

mod control;
mod error;
mod runtime;
mod serve;

use std::process::ExitCode;

use cloudbox_protocol::control::{FromInit, SOCKET_PATH};

use control::Control;
use error::Failed;

fn main() -> ExitCode {
    let Ok(mut control) = Control::connect(SOCKET_PATH) else { return ExitCode::from(2) };
    match run(&mut control) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failed { step, error }) => {
            // The service may be gone already; there is nobody else to tell.
            let _ = control.send(&FromInit::Failed { step: step.to_owned(), error: error.to_string() }, &[]);
            ExitCode::from(1)
        }
    }
}

fn run(control: &mut Control) -> Result<(), Failed> {
    serve::harden()?;
    serve::serve(control)
}
