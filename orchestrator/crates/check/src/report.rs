//! What is found in a source.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::lines::Lines;

/// Everything that is found in a source.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Report {
    /// Whether there is no error. Warnings don't count.
    pub valid: bool,
    /// What keeps the code from running, in the order of the source.
    pub errors: Vec<Problem>,
    /// What is dangerous, or can't work in a sandbox, in the order of the source.
    pub warnings: Vec<Warning>,
    /// The exported `config`, as far as it is written in literals; `null` where there is none.
    pub config: Value,
}

/// Something that keeps the code from running.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// Counted from 1.
    pub line: usize,
    /// In characters, counted from 1.
    pub column: usize,
    /// A sentence for the author.
    pub message: String,
}

/// A pattern that is dangerous, or can't work in a sandbox.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
pub struct Warning {
    /// Counted from 1.
    pub line: usize,
    /// In characters, counted from 1.
    pub column: usize,
    /// Which pattern it is.
    pub rule: Rule,
    /// A sentence for the author.
    pub message: String,
}

/// A pattern that is warned of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// Text is run as code.
    Eval,
    /// Text is made into a function.
    FunctionConstructor,
    /// A process is started.
    ChildProcess,
    /// A module is loaded whose name isn't written in the code.
    DynamicRequire,
    /// A module is imported whose name isn't written in the code.
    DynamicImport,
    /// The process that answers is ended.
    ProcessExit,
    /// A file is written where nothing can be written.
    FsWrite,
    /// Code is run in a context that is no wall.
    Vm,
    /// Native code is loaded, or the runtime's inside is reached for.
    NativeCode,
    /// A loop that nothing in it ends.
    InfiniteLoop,
    /// The prototype of objects is changed.
    PrototypePollution,
    /// Data is read by something that runs what is in it.
    UnsafeDeserialization,
    /// The interpreter's inside is reached for.
    Introspection,
    /// A value of `config` is no literal, so it can't be read without running the code.
    ConfigNotLiteral,
}

/// The findings of one reading, whose places are offsets in bytes.
pub(crate) struct Findings<'s> {
    lines: Lines<'s>,
    errors: Vec<(usize, String)>,
    warnings: Vec<(usize, Rule, String)>,
    pub(crate) config: Value,
}

/// How many errors, and how many warnings, a report has at most.
const MAX_FINDINGS: usize = 100;

impl<'s> Findings<'s> {
    pub(crate) fn new(source: &'s str) -> Self {
        Self { lines: Lines::new(source), errors: Vec::new(), warnings: Vec::new(), config: Value::Null }
    }

    pub(crate) fn error(&mut self, at: usize, message: impl Into<String>) {
        self.errors.push((at, message.into()));
    }

    pub(crate) fn warn(&mut self, at: usize, rule: Rule, message: impl Into<String>) {
        self.warnings.push((at, rule, message.into()));
    }

    pub(crate) fn has_errors(&self) -> bool {
        !self.errors.is_empty()
    }

    pub(crate) fn into_report(mut self) -> Report {
        self.errors.sort();
        self.errors.dedup();
        self.errors.truncate(MAX_FINDINGS);
        self.warnings.sort();
        self.warnings.dedup_by_key(|(at, rule, _)| (*at, *rule));
        self.warnings.truncate(MAX_FINDINGS);
        let Self { lines, errors, warnings, config } = self;
        let problem = |(at, message)| {
            let (line, column) = lines.place(at);
            Problem { line, column, message }
        };
        let errors: Vec<_> = errors.into_iter().map(problem).collect();
        let warning = |(at, rule, message)| {
            let (line, column) = lines.place(at);
            Warning { line, column, rule, message }
        };
        Report {
            valid: errors.is_empty(),
            errors,
            warnings: warnings.into_iter().map(warning).collect(),
            config,
        }
    }
}
