//! Server-sent events: the lines of a stream put together to events.

use bytes::Bytes;
use futures::{Stream, StreamExt};

/// Longest event that is put together; a stream that goes beyond is none of ours.
const MAX_EVENT_BYTES: usize = 64 << 20;

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// `message` where the stream names none.
    pub name: String,
    /// Its data, lines joined.
    pub data: String,
}

/// Events out of the bytes of a stream, wherever these are cut.
#[derive(Debug, Default)]
pub struct Parser {
    buffer: Vec<u8>,
    name: String,
    data: Vec<String>,
}

impl Parser {
    /// Takes bytes in and gives the events that they end.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<Event> {
        self.buffer.extend_from_slice(bytes);
        let mut events = Vec::new();
        while let Some(end) = self.buffer.iter().position(|&byte| byte == b'\n') {
            let line: Vec<u8> = self.buffer.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            events.extend(self.line(line.trim_end_matches(['\r', '\n'])));
        }
        events
    }

    fn line(&mut self, line: &str) -> Option<Event> {
        if line.is_empty() {
            let name = std::mem::take(&mut self.name);
            let data = std::mem::take(&mut self.data);
            let name = if name.is_empty() { "message".to_owned() } else { name };
            return (!data.is_empty()).then(|| Event { name, data: data.join("\n") });
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.name),
            "data" => self.data.push(value.to_owned()),
            // Comments (an empty field), ids and retry times are of no use here.
            _ => {}
        }
        None
    }

    fn is_too_long(&self) -> bool {
        self.buffer.len() + self.data.iter().map(String::len).sum::<usize>() > MAX_EVENT_BYTES
    }
}

/// The events of a stream of bytes; ends where that ends, breaks, or is no stream of events.
pub fn events<E>(bytes: impl Stream<Item = Result<Bytes, E>>) -> impl Stream<Item = Event> {
    let mut parser = Parser::default();
    bytes
        .take_while(|piece| std::future::ready(piece.is_ok()))
        .map(move |piece| {
            let events = piece.map(|piece| parser.push(&piece)).unwrap_or_default();
            if parser.is_too_long() { None } else { Some(events) }
        })
        .take_while(|events| std::future::ready(events.is_some()))
        .flat_map(|events| futures::stream::iter(events.unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(name: &str, data: &str) -> Event {
        Event { name: name.to_owned(), data: data.to_owned() }
    }

    #[test]
    fn events_are_found_wherever_the_stream_is_cut() {
        let stream =
            ": hello\n\nevent: log\ndata: {\"a\":\ndata:1}\r\n\r\nid: 7\ndata: ü\n\n\nevent: x\n\ndata: cut";
        let expected = vec![event("log", "{\"a\":\n1}"), event("message", "ü")];
        for size in [1, 2, 7, 1000] {
            let mut parser = Parser::default();
            let found: Vec<Event> =
                stream.as_bytes().chunks(size).flat_map(|piece| parser.push(piece)).collect();
            assert_eq!(found, expected, "pieces of {size}");
        }
    }

    #[tokio::test]
    async fn a_stream_that_breaks_ends() {
        let pieces = [Ok(Bytes::from("data: 1\n\n")), Err(()), Ok(Bytes::from("data: 2\n\n"))];
        let found: Vec<Event> = events(futures::stream::iter(pieces)).collect().await;
        assert_eq!(found, [event("message", "1")]);
    }
}
