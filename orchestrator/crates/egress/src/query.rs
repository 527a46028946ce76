//! Name queries as the sandbox sends them, and answers to them. Only what a resolver of a language's library sends is
//! read: one question, without compression; anything else gets an error or no answer. Reading allocates one name of at most
//! 253 bytes, whatever the message says of itself.

use std::net::Ipv4Addr;

use crate::host::Host;

/// The longest message that is read: a query with options is far shorter.
pub(crate) const MAX_QUERY: usize = 1024;

/// Seconds that an answer may be kept: the address is the name's as long as the sandbox lives.
const TTL: u32 = 60;
const HEADER: usize = 12;
/// An IPv4 address.
const TYPE_A: u16 = 1;
const CLASS_IN: u16 = 1;

const RESPONSE: u16 = 0x8000;
const OPCODE: u16 = 0x7800;
const AUTHORITATIVE: u16 = 0x0400;
const RECURSION_DESIRED: u16 = 0x0100;
const RECURSION_AVAILABLE: u16 = 0x0080;

/// One question.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Query<'a> {
    id: u16,
    flags: u16,
    /// As it was sent: it is part of the answer, letter by letter.
    question: &'a [u8],
    /// None where the name is none of a host.
    pub host: Option<Host>,
    /// Whether an IPv4 address is asked for.
    pub wants_address: bool,
}

/// What is said to a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Saying {
    /// The name has this address.
    Address(Ipv4Addr),
    /// The name is there and has nothing of the kind.
    Nothing,
    /// There is no such name.
    NoName,
}

impl<'a> Query<'a> {
    /// Reads a message; an error is an answer to send, where one can be sent.
    pub(crate) fn read(message: &'a [u8]) -> Result<Self, Option<Vec<u8>>> {
        let word = |at: usize| Some(u16::from_be_bytes([*message.get(at)?, *message.get(at + 1)?]));
        let (Some(id), Some(flags), Some(questions)) = (word(0), word(2), word(4)) else { return Err(None) };
        // Never an answer to an answer.
        if flags & RESPONSE != 0 || message.len() < HEADER {
            return Err(None);
        }
        let format_error = || Some(head(id, flags, 1, [0, 0]));
        if flags & OPCODE != 0 {
            return Err(Some(head(id, flags, 4, [0, 0])));
        }
        if questions != 1 {
            return Err(format_error());
        }
        let (name, end) = labels(&message[HEADER..]).ok_or_else(format_error)?;
        let end = HEADER + end;
        let (Some(kind), Some(class)) = (word(end), word(end + 2)) else { return Err(format_error()) };
        Ok(Self {
            id,
            flags,
            question: &message[HEADER..end + 4],
            host: name.as_deref().and_then(Host::name),
            wants_address: kind == TYPE_A && class == CLASS_IN,
        })
    }

    /// The answer.
    pub(crate) fn answer(&self, saying: Saying) -> Vec<u8> {
        let code = if saying == Saying::NoName { 3 } else { 0 };
        let answers = u16::from(matches!(saying, Saying::Address(_)));
        let mut message = head(self.id, self.flags, code, [1, answers]);
        message.extend_from_slice(self.question);
        if let Saying::Address(address) = saying {
            // The question's name, by its place.
            message.extend_from_slice(&[0xC0, 0x0C]);
            message.extend_from_slice(&TYPE_A.to_be_bytes());
            message.extend_from_slice(&CLASS_IN.to_be_bytes());
            message.extend_from_slice(&TTL.to_be_bytes());
            message.extend_from_slice(&4_u16.to_be_bytes());
            message.extend_from_slice(&address.octets());
        }
        message
    }
}

/// The twelve bytes before everything.
fn head(id: u16, flags: u16, code: u16, [questions, answers]: [u16; 2]) -> Vec<u8> {
    let kept = flags & (OPCODE | RECURSION_DESIRED);
    let flags = RESPONSE | AUTHORITATIVE | RECURSION_AVAILABLE | kept | code;
    [id, flags, questions, answers, 0, 0].iter().flat_map(|word| word.to_be_bytes()).collect()
}

/// A name and how many bytes it takes; no text where it isn't ASCII. None where it has no end, or is too long.
fn labels(bytes: &[u8]) -> Option<(Option<String>, usize)> {
    let mut name = String::new();
    let mut is_text = true;
    let mut at = 0;
    loop {
        let len = usize::from(*bytes.get(at)?);
        // Two high bits are a pointer, which a question has no use for.
        if len > 63 || at + 1 + len > 255 {
            return None;
        }
        at += 1;
        if len == 0 {
            return Some((is_text.then_some(name), at));
        }
        let label = bytes.get(at..at + len)?;
        at += len;
        if !name.is_empty() {
            name.push('.');
        }
        // A dot within a label would be another name's.
        match std::str::from_utf8(label) {
            Ok(label) if label.is_ascii() && !label.contains('.') => name.push_str(label),
            _ => is_text = false,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn query(name: &[&[u8]], kind: u16) -> Vec<u8> {
        let mut message = vec![0xAB, 0xCD, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        for label in name {
            message.push(u8::try_from(label.len()).unwrap());
            message.extend_from_slice(label);
        }
        message.push(0);
        message.extend_from_slice(&kind.to_be_bytes());
        message.extend_from_slice(&[0, 1]);
        message
    }

    #[test]
    fn a_query_is_answered_with_its_own_question() {
        let mut message = query(&[b"API", b"example", b"com"], 1);
        let question = message[12..].to_vec();
        // As libraries send it now: with an option of one more record.
        message[11] = 1;
        message.extend_from_slice(&[0, 0, 41, 4, 0, 0, 0, 0, 0, 0, 0]);
        let query = Query::read(&message).unwrap();
        assert_eq!(query.host, Host::parse("api.example.com"));
        assert!(query.wants_address);
        let answer = query.answer(Saying::Address(Ipv4Addr::new(127, 64, 0, 1)));
        assert_eq!(answer[..12], [0xAB, 0xCD, 0x85, 0x80, 0, 1, 0, 1, 0, 0, 0, 0]);
        assert_eq!(answer[12..12 + question.len()], question);
        assert_eq!(answer[12 + question.len()..], [0xC0, 0x0C, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 127, 64, 0, 1]);
        let nothing = query.answer(Saying::Nothing);
        assert_eq!(nothing[..8], [0xAB, 0xCD, 0x85, 0x80, 0, 1, 0, 0]);
        assert_eq!(query.answer(Saying::NoName)[3], 0x83);
    }

    #[test]
    fn other_kinds_are_told() {
        let message = query(&[b"a"], 28);
        assert!(!Query::read(&message).unwrap().wants_address);
        for name in [&[b"a.b" as &[u8]][..], &[b"\xff"], &[b"a b"], &[]] {
            let message = query(name, 1);
            assert_eq!(Query::read(&message).unwrap().host, None, "{name:?}");
        }
    }

    #[test]
    fn junk_has_an_error_or_no_answer() {
        let whole = query(&[b"a", b"b"], 1);
        for cut in 0..whole.len() {
            match Query::read(&whole[..cut]) {
                Err(None) => assert!(cut < 12),
                Err(Some(answer)) => assert_eq!((answer.len(), answer[3] & 15), (12, 1)),
                Ok(query) => panic!("{cut}: {query:?}"),
            }
        }
        let with = |at: usize, byte: u8| {
            let mut message = whole.clone();
            message[at] = byte;
            Query::read(&message)
                .map(|query| query.host.is_some())
                .map_err(|answer| answer.map(|a| a[3] & 15))
        };
        assert_eq!(with(2, 0x80), Err(None), "an answer");
        assert_eq!(with(2, 0x28), Err(Some(4)), "an update");
        assert_eq!(with(5, 0), Err(Some(1)), "no question");
        assert_eq!(with(5, 2), Err(Some(1)), "two questions");
        assert_eq!(with(12, 0xC0), Err(Some(1)), "a pointer");
        assert_eq!(with(12, 64), Err(Some(1)), "a label that is too long");
        let long = query(&[&[b'a'; 63][..]; 5], 1);
        assert_eq!(Query::read(&long).unwrap_err().unwrap()[3] & 15, 1, "a name that is too long");
    }

    proptest! {
        #[test]
        fn no_bytes_break_the_reader(message in proptest::collection::vec(any::<u8>(), 0..MAX_QUERY)) {
            if let Ok(query) = Query::read(&message) {
                prop_assert!(query.answer(Saying::NoName).len() <= message.len());
            }
        }

        #[test]
        fn no_change_of_a_query_breaks_the_reader(at in 0_usize..31, byte: u8) {
            let mut message = query(&[b"api", b"example", b"com"], 1);
            let at = at.min(message.len() - 1);
            message[at] = byte;
            if let Ok(query) = Query::read(&message) {
                let answer = query.answer(Saying::Address(Ipv4Addr::LOCALHOST));
                prop_assert!(answer.len() == 12 + query.question.len() + 16);
            }
        }
    }
}
