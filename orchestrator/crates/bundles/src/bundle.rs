//! A runtime that is ready: its roots and how its programs are started in them.

use std::collections::BTreeMap;
use std::sync::Arc;

use cloudbox_dependencies::Install;
use cloudbox_sandbox::{Program, RootFs};
use cloudbox_types::{Image, Language, Limits};

use crate::definition::{Definition, Step};
use crate::locked::Locked;
use crate::template::fill;

/// What every program of a sandbox has in its environment, unless the definition says otherwise.
const ENVIRONMENT: [(&str, &str); 6] = [
    ("HOME", "/tmp"),
    ("LANG", "C.UTF-8"),
    ("PATH", "/usr/local/bin:/usr/bin:/bin"),
    ("TMPDIR", "/tmp"),
    ("TZ", "UTC"),
    ("USER", "cloudbox"),
];

/// A runtime's root file systems and programs.
#[derive(Clone, Debug)]
pub struct Bundle {
    /// Its name, such as `nodejs20`.
    pub runtime: String,
    /// The whole version of its toolchain, such as `20.20.2`.
    pub toolchain: String,
    /// What functions run in.
    pub run: RootFs,
    /// What builds run in; the same as `run` where the toolchain is part of that.
    pub build: RootFs,
    pub(crate) definition: Arc<Definition>,
    /// The image that the roots are made from.
    pub image: Option<Image>,
    /// Keeps other processes from removing the roots while this one may use them.
    pub(crate) _in_use: Option<Arc<Locked>>,
}

impl Bundle {
    /// Whether the runtime's program starts before the code is there (an interpreter), or is part of it (a binary).
    #[must_use]
    pub fn starts_before_code(&self) -> bool {
        self.definition.starts_before_code
    }

    /// Whether programs in `/workspace` may be started.
    #[must_use]
    pub fn is_executable(&self) -> bool {
        self.definition.is_executable
    }

    /// What the runtime prints when it ends itself at a memory limit of its own, below the sandbox's.
    #[must_use]
    pub fn out_of_memory_mark(&self) -> Option<&str> {
        self.definition.start.out_of_memory_mark.as_deref()
    }

    /// Whether the shim has a forked process handle each call where a function wants that; else its process is
    /// restarted.
    #[must_use]
    pub fn forks_calls(&self) -> bool {
        self.definition.start.forks_calls
    }

    /// MB of the smallest sandbox that the runtime comes up in.
    #[must_use]
    pub fn memory_floor_mb(&self) -> u32 {
        self.definition.memory_floor_mb
    }

    /// The runtime's program, as it is started in a sandbox with these limits. Sandboxes of one memory class start
    /// with equal programs.
    #[must_use]
    pub fn program(&self, limits: &Limits) -> Program {
        let start = &self.definition.start;
        let class = self.definition.memory_class(limits.memory_mb);
        let value = |name: &str| Some(class?.values.get(name)?.to_string());
        let program = program(&start.argv, &start.env, &value);
        self.in_image(Program { has_fixed_threads: start.has_fixed_threads, ..program })
    }

    /// The name of the source's file: the entry point's file part or the default, with the language's extension; none
    /// where the runtime doesn't serve the language.
    #[must_use]
    pub fn source_file(&self, language: Language, entry_point: &str) -> Option<String> {
        self.definition.source_file(language, entry_point)
    }

    /// Why this language can't be deployed although the runtime will serve it one day.
    #[must_use]
    pub fn refusal(&self, language: Language) -> Option<&str> {
        self.definition.source.refused.get(&language).map(String::as_str)
    }

    /// What a source's file is called where the entry point names none, without its extension.
    #[must_use]
    pub fn default_name(&self) -> &str {
        &self.definition.source.default_name
    }

    /// Which files of a package are loaded, the first that is there; `*.go` stands for any.
    #[must_use]
    pub fn package_files(&self, language: Language) -> &[String] {
        self.definition.source.package_files.get(&language).map_or(&[], Vec::as_slice)
    }

    /// The file of a package whose JSON names the file to load as `main`.
    #[must_use]
    pub fn package_manifest(&self) -> Option<&str> {
        self.definition.source.package_manifest.as_deref()
    }

    /// What checks the source `main` in `/workspace`, in the build root; none where the build does it.
    #[must_use]
    pub fn check(&self, main: &str, entry_point: &str) -> Option<Program> {
        self.definition.check.as_ref().map(|step| self.in_image(step_program(step, main, entry_point)))
    }

    /// What compiles `/workspace`, in the build root; none where source runs as it is.
    #[must_use]
    pub fn compile(&self, main: &str, entry_point: &str) -> Option<Program> {
        self.definition.build.as_ref().map(|step| self.in_image(step_program(step, main, entry_point)))
    }

    /// How dependencies are installed in a folder of their own at `/workspace`, and the rules for them; none where it
    /// can't be done.
    #[must_use]
    pub fn install(&self) -> Option<&Install> {
        self.definition.install.as_ref()
    }

    /// The program that installs dependencies, in the build root, with the command that [`Install::command`] gives.
    #[must_use]
    pub fn installer(&self, install: &Install, argv: &[String]) -> Program {
        self.in_image(program(argv, &install.env, &|_| None))
    }

    /// A program with the environment that all have.
    pub(crate) fn plain(&self, argv: &[String]) -> Program {
        program(argv, &BTreeMap::new(), &|_| None)
    }
}

fn step_program(step: &Step, main: &str, entry_point: &str) -> Program {
    let value = |name: &str| match name {
        "main" => Some(main.to_owned()),
        "entry_point" => Some(entry_point.to_owned()),
        _ => None,
    };
    program(&step.argv, &step.env, &value)
}

/// A name without a value stays as it is: definitions are checked when they are read.
fn program(
    argv: &[String],
    env: &BTreeMap<String, String>,
    value: &dyn Fn(&str) -> Option<String>,
) -> Program {
    let filled = |text: &String| fill(text, value).unwrap_or_else(|_| text.clone());
    let common = ENVIRONMENT.map(|(name, text)| (name.to_owned(), text.to_owned()));
    let own = env.iter().map(|(name, text)| (name.clone(), filled(text)));
    let env = common.into_iter().chain(own).collect();
    Program { argv: argv.iter().map(filled).collect(), env, cwd: None, has_fixed_threads: false }
}
