//! A shim for the driver contract: speaks the protocol without a language, and does on request what hostile code does.
//!
//! The body of an `invoke` is a command and its arguments; the answer's body is what it found. Called with arguments, it is
//! a plain program that does that command and prints what it found.

#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a program of its own, inside a sandbox"
)]

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

/// Lives as long as the process: memory that is asked for stays taken.
static HELD: parking_lot::Mutex<Vec<Vec<u8>>> = parking_lot::Mutex::new(Vec::new());

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if !words.is_empty() {
        println!("{}", obey(&words.iter().map(String::as_str).collect::<Vec<_>>()));
        return;
    }
    let mut answers = io::stdout().lock();
    send(&mut answers, 1, &json!({}), b"");
    while let Some((kind, header, body)) = receive(&mut io::stdin()) {
        let nonce = &header["nonce"];
        match kind {
            2 if header["env"].get("BROKEN").is_some() => {
                let failure = json!({"nonce": nonce, "kind": "entry_point", "message": "no such entry"});
                send(&mut answers, 6, &failure, b"");
            }
            2 => send(&mut answers, 3, &json!({"nonce": nonce, "handler_style": "data"}), b""),
            4 => {
                let text = String::from_utf8(body).unwrap_or_default();
                let found = obey(&text.split(' ').collect::<Vec<_>>());
                send(&mut answers, 5, &json!({"nonce": nonce, "status": 200}), found.as_bytes());
            }
            _ => std::process::exit(90),
        }
    }
}

fn send(out: &mut impl Write, kind: u8, header: &Value, body: &[u8]) {
    let header = header.to_string();
    let len = |part: usize| u32::try_from(part).expect("parts are small").to_be_bytes();
    let frame = [&[kind][..], &len(header.len()), &len(body.len()), header.as_bytes(), body].concat();
    out.write_all(&frame).and_then(|()| out.flush()).expect("the service reads");
}

fn receive(from: &mut impl Read) -> Option<(u8, Value, Vec<u8>)> {
    let mut prefix = [0; 9];
    from.read_exact(&mut prefix).ok()?;
    let len =
        |at: usize| u32::from_be_bytes([prefix[at], prefix[at + 1], prefix[at + 2], prefix[at + 3]]) as usize;
    let (mut header, mut body) = (vec![0; len(1)], vec![0; len(5)]);
    from.read_exact(&mut header).ok()?;
    from.read_exact(&mut body).ok()?;
    Some((prefix[0], serde_json::from_slice(&header).ok()?, body))
}

/// Does one command; an error is its text.
fn obey(words: &[&str]) -> String {
    attempt(words).unwrap_or_else(|error| format!("error: {error}"))
}

fn attempt(words: &[&str]) -> io::Result<String> {
    Ok(match words {
        ["echo", rest @ ..] => rest.join(" "),
        ["print", rest @ ..] => {
            eprint_line(&rest.join(" "));
            "printed".to_owned()
        }
        ["exit", code] => std::process::exit(code.parse().unwrap_or(99)),
        ["abort"] => std::process::abort(),
        ["sleep", ms] => {
            std::thread::sleep(std::time::Duration::from_millis(ms.parse().unwrap_or(0)));
            "slept".to_owned()
        }
        ["stray"] => {
            io::stdout().write_all(b"x")?;
            "strayed".to_owned()
        }
        ["read", path] => fs::read_to_string(path)?,
        ["list", path] => {
            let mut names: Vec<String> = fs::read_dir(path)?
                .flatten()
                .map(|entry| entry.file_name().to_string_lossy().into_owned())
                .collect();
            names.sort_unstable();
            names.join(" ")
        }
        ["write", path, text] => fs::write(path, text).map(|()| "written".to_owned())?,
        ["fill", path, mb] => fill(path, mb.parse().unwrap_or(0))?,
        ["env"] => {
            std::env::vars().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
        }
        ["connect", address] => std::net::TcpStream::connect(address).map(|_| "connected".to_owned())?,
        ["allocate", mb] => allocate(mb.parse().unwrap_or(0)),
        ["child", rest @ ..] => {
            let status = silent("/bin/probe").args(rest).status()?;
            status.to_string()
        }
        ["child-then-fail", rest @ ..] => {
            silent("/bin/probe").args(rest).status()?;
            std::process::exit(3)
        }
        ["leave", "process"] => {
            silent("/bin/probe").args(["sleep", "60000"]).spawn().map(|_| "left".to_owned())?
        }
        // Of a session of its own, and nobody's child.
        ["leave", "orphan"] => silent("/bin/probe").args(["leave", "process"]).status()?.to_string(),
        // It hides from whoever looks through /proc.
        ["leave", "hidden"] => silent("/bin/probe").args(["hide"]).spawn().map(|_| "left".to_owned())?,
        ["hide"] => {
            nix::sys::prctl::set_dumpable(false)?;
            std::thread::sleep(std::time::Duration::from_secs(60));
            String::new()
        }
        ["leave", "thread"] => {
            std::thread::spawn(|| std::thread::sleep(std::time::Duration::from_secs(60)));
            "left".to_owned()
        }
        ["forks", count] => forks(count.parse().unwrap_or(0)),
        ["run", path] => silent(path).arg("echo").status()?.to_string(),
        ["spin"] => loop {
            std::hint::spin_loop();
        },
        _ => format!("no such command: {}", words.join(" ")),
    })
}

/// A program whose output does not get among the frames.
fn silent(path: &str) -> Command {
    let mut command = Command::new(path);
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command
}

fn eprint_line(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

fn fill(path: &str, mb: usize) -> io::Result<String> {
    let (mut file, chunk) = (File::create(path)?, vec![b'x'; 1 << 20]);
    for written in 0..mb {
        if let Err(error) = file.write_all(&chunk) {
            return Ok(format!("{written} MB, then {:?}", error.kind()));
        }
    }
    Ok("all".to_owned())
}

fn allocate(mb: usize) -> String {
    let mut held = HELD.lock();
    for _ in 0..mb {
        held.push(vec![1; 1 << 20]);
    }
    "allocated".to_owned()
}

/// Starts children until the system says no, and leaves them running.
fn forks(count: usize) -> String {
    for started in 0..count {
        if silent("/bin/probe").args(["sleep", "60000"]).spawn().is_err() {
            return started.to_string();
        }
    }
    count.to_string()
}
