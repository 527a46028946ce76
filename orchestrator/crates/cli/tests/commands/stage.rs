//! A stage for one command: a server that plays answers, a terminal that is read afterwards, and what came of it as text.

use std::io::{self, Write};
use std::sync::Arc;

use clap::Parser;
use cloudbox_cli::{Command, Terminal};
use parking_lot::Mutex;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// The program as `cloudbox` composes it.
#[derive(Parser)]
#[command(name = "cloudbox")]
struct Program {
    #[command(subcommand)]
    command: Command,
}

/// One answer, given to the next request for `target` (`GET /path`); the last for a target is given again and again.
struct Answer {
    target: String,
    status: u16,
    body: String,
}

/// What the server plays, and what it was asked.
#[derive(Default)]
struct Play {
    answers: Vec<Answer>,
    asked: Vec<String>,
}

/// One test's server.
pub struct Stage {
    play: Arc<Mutex<Play>>,
    address: String,
    server: tokio::task::JoinHandle<()>,
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Stage {
    /// A server without answers: 404 to everything.
    pub async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let play = Arc::new(Mutex::new(Play::default()));
        let shared = Arc::clone(&play);
        let server = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&shared)));
            }
        });
        Self { play, address, server }
    }

    /// Adds an answer of JSON.
    pub fn on(self, target: &str, status: u16, body: &Value) -> Self {
        self.on_text(target, status, &body.to_string())
    }

    /// Adds an answer of any text.
    pub fn on_text(self, target: &str, status: u16, body: &str) -> Self {
        let answer = Answer { target: target.to_owned(), status, body: body.to_owned() };
        self.play.lock().answers.push(answer);
        self
    }

    /// Runs `cloudbox WORDS` and gives its exit code, both outputs and the requests, as one text without the port.
    pub async fn run(&self, words: &[&str]) -> String {
        self.run_at(&self.address, words).await
    }

    /// Runs it against another address.
    pub async fn run_at(&self, url: &str, words: &[&str]) -> String {
        let place = ["--url", url, "--data-dir", "/nowhere"];
        let line = ["cloudbox"].iter().chain(words).chain(&place);
        let command = match Program::try_parse_from(line) {
            Ok(program) => program.command,
            Err(error) => return format!("exit {}\n{error}", error.exit_code()),
        };
        let (out, err) = (Sink::default(), Sink::default());
        let mut terminal =
            Terminal::captured(Box::new(out.clone()), Box::new(err.clone()), words.contains(&"-q"));
        let code = cloudbox_cli::run_on(&command, &mut terminal).await;
        let asked = std::mem::take(&mut self.play.lock().asked);
        let text = format!(
            "exit {code}\n--- stdout\n{}--- stderr\n{}--- requests\n{}",
            out.text(),
            err.text(),
            asked.iter().fold(String::new(), |text, line| text + line + "\n"),
        );
        text.replace(url, "http://HOST")
    }
}

/// A stream that is kept.
#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Sink {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().clone()).unwrap()
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// One request and its answer; then the connection is closed.
async fn serve(stream: TcpStream, play: Arc<Mutex<Play>>) {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    stream.read_line(&mut line).await.unwrap();
    let mut words = line.split(' ');
    let target = format!("{} {}", words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let (mut length, mut note) = (0, String::new());
    loop {
        let mut header = String::new();
        stream.read_line(&mut header).await.unwrap();
        let Some((name, value)) = header.trim().split_once(": ") else { break };
        match name {
            "content-length" => length = value.parse().unwrap(),
            "authorization" => note = format!(" ({value})"),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.unwrap();
    let asked =
        format!("{target}{note} {}", String::from_utf8(body).unwrap_or_else(|_| "(bytes)".to_owned()));
    let (status, body) = answer(&mut play.lock(), &target, asked.trim_end());
    let head = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(body.as_bytes()).await.unwrap();
}

fn answer(play: &mut Play, target: &str, asked: &str) -> (u16, String) {
    // Asking again how a deployment goes depends on the time; once is enough to be seen.
    if play.asked.last().is_none_or(|last| last != asked) {
        play.asked.push(asked.to_owned());
    }
    let matching: Vec<usize> =
        (0..play.answers.len()).filter(|&index| play.answers[index].target == target).collect();
    match matching[..] {
        [] => (404, r#"{"error":"there is no such thing","code":"NOT_FOUND"}"#.to_owned()),
        [index] => (play.answers[index].status, play.answers[index].body.clone()),
        [index, ..] => {
            let answer = play.answers.remove(index);
            (answer.status, answer.body)
        }
    }
}
