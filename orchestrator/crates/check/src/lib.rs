//! What can be said of a function's source without running it: syntax errors, patterns that are dangerous or can't work in
//! a sandbox, and the configuration that it exports. And what TypeScript comes to as JavaScript.
//!
//! Nothing here is a wall: the sandbox is. The findings are for the author.
//!
//! Parsers recurse, so hostile text can overflow any stack, and no thread can be stopped. [`Reader`] therefore has the
//! source read by a process of its own, which may crash or be ended; [`read`] is what that process does.

mod compile;
mod javascript;
mod lines;
mod process;
mod python;
mod report;

use cloudbox_types::Language;

pub use compile::{Compilation, CompiledFile, FileProblem, SourceFile, compile, is_compiled, is_read};
pub use process::{ReadError, Reader, answer_one};
pub use report::{Problem, Report, Rule, Warning};

/// The longest source that is read, in bytes.
pub const MAX_SOURCE_BYTES: usize = 1 << 20;

/// Reads a source. Nothing for Go, whose only parser of quality is Go's own: its code is checked where it is built.
#[must_use]
pub fn read(source: &str, language: Language) -> Option<Report> {
    match language {
        Language::Javascript | Language::Typescript => Some(javascript::read(source, language)),
        Language::Python => Some(python::read(source)),
        Language::Go | Language::Custom => None,
    }
}
