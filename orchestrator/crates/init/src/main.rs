//! PID 1 of every sandbox, in both drivers.
//!
//! In a container: connects to the control socket, makes the three pipes, and serves. Called as `cloudbox-init native`
//! with the control socket as its stdin, it first sets up what a container engine would; as `cloudbox-init probe` it is a
//! program in a sandbox, for the self-test of a driver. Single threaded, static, and the only crate with `unsafe`: each
//! block calls one system function and says why that is sound.

mod control;
mod credentials;
mod error;
mod landlock;
mod listen;
mod mounts;
mod native;
mod probe;
mod root;
mod runtime;
mod seccomp;
mod serve;

use std::process::ExitCode;

use cloudbox_protocol::control::{FromInit, SOCKET_PATH};

use control::Control;
use error::Failed;

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    match args.next().as_deref() {
        Some("native") => return native::main(),
        Some(cloudbox_protocol::probe::WORD) => return probe::main(&args.next().unwrap_or_default()),
        _ => {}
    }
    match Control::connect(SOCKET_PATH) {
        Ok(mut control) => {
            let served = serve::harden().and_then(|()| serve::serve(&mut control, Vec::new()));
            tell(&mut control, served)
        }
        Err(_) => ExitCode::from(2),
    }
}

/// Tells the service why the sandbox ends, where it ends by a failure.
fn tell(control: &mut Control, outcome: Result<(), Failed>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failed { step, error }) => {
            // The service may be gone already; there is nobody else to tell.
            let _ = control.send(&FromInit::Failed { step: step.to_owned(), error: error.to_string() }, &[]);
            ExitCode::from(1)
        }
    }
}
