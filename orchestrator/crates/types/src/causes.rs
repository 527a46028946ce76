//! Errors with what is behind them.

use std::error::Error;

/// An error with its causes, as one sentence: `writing /x: No space left on device`.
#[must_use]
pub fn with_causes(error: &(dyn Error + 'static)) -> String {
    let mut sentence = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        sentence.push_str(": ");
        sentence.push_str(&error.to_string());
        cause = error.source();
    }
    sentence
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{what}")]
    struct Layer {
        what: &'static str,
        source: Option<Box<Self>>,
    }

    #[test]
    fn every_cause_is_told_once() {
        let inner = Layer { what: "the disk is full", source: None };
        let middle = Layer { what: "writing", source: Some(Box::new(inner)) };
        let outer = Layer { what: "the spool", source: Some(Box::new(middle)) };
        assert_eq!(with_causes(&outer), "the spool: writing: the disk is full");
        assert_eq!(with_causes(&io::Error::other("alone")), "alone");
    }
}
