//! Requests to a Docker daemon, as an operator or somebody else would make them.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use serde_json::Value;

/// The status and the body of an answer; nothing where no daemon answers.
pub fn ask(socket: &str, method: &str, path: &str, body: &str) -> Option<(u16, Value)> {
    let mut stream = UnixStream::connect(socket).ok()?;
    let head = format!(
        "{method} {path} HTTP/1.0\r\nHost: docker\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).ok()?;
    stream.write_all(body.as_bytes()).ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer.split(' ').nth(1)?.parse().ok()?;
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    Some((status, serde_json::from_str(body.trim()).unwrap_or(Value::Null)))
}

/// The containers of an instance, running or not.
pub fn containers(socket: &str, instance: &str) -> Vec<Value> {
    let filter = format!("%7B%22label%22%3A%5B%22cloudbox.instance%3D{instance}%22%5D%7D");
    let (_, body) = ask(socket, "GET", &format!("/containers/json?all=1&filters={filter}"), "").unwrap();
    body.as_array().cloned().unwrap_or_default()
}
