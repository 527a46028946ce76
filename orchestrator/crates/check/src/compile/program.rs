//! One file: from its text to JavaScript and a source map.

use std::path::Path;

use oxc_allocator::Allocator;
use oxc_ast::ast::{Decorator, Statement};
use oxc_ast_visit::{Visit, VisitMut};
use oxc_codegen::{Codegen, CodegenOptions};
use oxc_diagnostics::{LabeledSpan, OxcDiagnostic};
use oxc_parser::{ParseOptions, Parser, ParserReturn};
use oxc_semantic::SemanticBuilder;
use oxc_span::{GetSpan, SourceType};
use oxc_transformer::Transformer;
use serde_json::json;

use super::resolve::Names;
use super::specifiers::Specifiers;
use super::tsconfig::Settings;
use super::{CompiledFile, FileProblem};
use crate::lines::Lines;

/// What compiled decorators call: the decorators' own rules, as TypeScript has had them since version 1.5.
const DECORATORS: &str = "const babelHelpers = { \
    decorate(list, target, key, kept) { \
    if (typeof Reflect.decorate === \"function\") kept = arguments.length < 3 \
    ? Reflect.decorate(list, target) : Reflect.decorate(list, target, key, kept === null \
    ? Object.getOwnPropertyDescriptor(target, key) : kept); \
    else if (arguments.length < 3) kept = list.reduceRight((made, one) => one && one(made) || made, target); \
    else { if (kept === null) kept = Object.getOwnPropertyDescriptor(target, key); \
    kept = list.reduceRight((made, one) => one && one(target, key, made) || made, kept); } \
    if (arguments.length > 3 && kept) Object.defineProperty(target, key, kept); \
    return kept; }, \
    decorateMetadata(key, value) { if (typeof Reflect.metadata === \"function\") return Reflect.metadata(key, value); }, \
    decorateParam(index, one) { return (target, key) => one(target, key, index); } };";

/// Which module system a file is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// It has `import` or `export`.
    Module,
    /// It has neither.
    CommonJs,
}

impl Kind {
    /// How files end that every Node.js takes for such.
    pub(super) const fn ending(self) -> &'static str {
        match self {
            Self::Module => ".mjs",
            Self::CommonJs => ".cjs",
        }
    }
}

/// Which module system a TypeScript file is of.
///
/// # Errors
/// Its syntax errors.
pub(super) fn kind_of(path: &str, text: &str) -> Result<Kind, Vec<FileProblem>> {
    let allocator = Allocator::default();
    let parsed = parse(&allocator, path, text);
    let problems = problems(path, text, parsed.diagnostics.errors());
    if !problems.is_empty() {
        return Err(problems);
    }
    let is_module = parsed.module_record.has_module_syntax && !only_typescripts(&parsed.program.body);
    match (is_module, path.ends_with(".cts"), path.ends_with(".mts")) {
        (true, true, _) => Err(vec![FileProblem::of_file(
            path,
            "a .cts file with import or export can't be compiled: name it .mts, or write `import x = require(…)` and \
             `export =`",
        )]),
        (true, ..) | (_, _, true) => Ok(Kind::Module),
        _ => Ok(Kind::CommonJs),
    }
}

/// Whether all that a file imports and exports is written as `import x = require()` and `export =`.
fn only_typescripts(body: &[Statement<'_>]) -> bool {
    body.iter().all(|statement| {
        matches!(statement, Statement::TSExportAssignment(_) | Statement::TSImportEqualsDeclaration(_))
            || !statement.is_module_declaration()
    })
}

fn parse<'a>(allocator: &'a Allocator, path: &str, text: &'a str) -> ParserReturn<'a> {
    let source_type = SourceType::from_path(path).unwrap_or_else(|_| SourceType::ts());
    // TypeScript's files are modules until they are known not to be; so says TypeScript, too.
    let source_type = if source_type.is_typescript() { source_type.with_module(true) } else { source_type };
    let options = ParseOptions { preserve_parens: false, ..ParseOptions::default() };
    Parser::new(allocator, text, source_type).with_options(options).parse()
}

/// One file of a folder.
pub(super) struct Program<'t> {
    pub(super) path: &'t str,
    pub(super) text: &'t str,
    /// None for JavaScript, which stays as it is unless it imports what is compiled.
    pub(super) kind: Option<Kind>,
    pub(super) names: &'t Names<'t>,
    pub(super) settings: &'t Settings,
}

impl Program<'_> {
    /// The file that comes of it; none where it stays.
    ///
    /// # Errors
    /// What can't be compiled.
    pub(super) fn compiled(&self) -> Result<Option<CompiledFile>, Vec<FileProblem>> {
        let allocator = Allocator::default();
        let mut parsed = parse(&allocator, self.path, self.text);
        if self.kind.is_none() && parsed.diagnostics.has_errors() {
            // Whoever loads it is told by Node.js.
            return Ok(None);
        }
        let program = &mut parsed.program;
        let built = SemanticBuilder::new_compiler().with_enum_eval(true).build(program);
        self.none(built.diagnostics.errors())?;
        let has_decorators = Decorators::are_in(program, self)?;
        let options = self.settings.transform(self.kind);
        let transformer = Transformer::new(&allocator, Path::new(self.path), &options);
        let done = transformer.build_with_scoping(built.semantic.into_scoping(), program);
        self.none(done.diagnostics.errors())?;
        let mut specifiers =
            Specifiers { allocator: &allocator, names: self.names, path: self.path, has_changed: false };
        specifiers.visit_program(program);
        if self.kind.is_none() && !specifiers.has_changed {
            return Ok(None);
        }
        let (before, after) = self.frame(program, has_decorators);
        let name = self.path.rsplit('/').next().unwrap_or(self.path);
        let codegen = CodegenOptions { source_map_path: Some(name.into()), ..CodegenOptions::default() };
        let made = Codegen::new().with_options(codegen).build(program);
        let lines = before.matches('\n').count();
        Ok(Some(CompiledFile {
            path: self.names.made_of(self.path).unwrap_or(self.path).to_owned(),
            source: Some(self.path.to_owned()),
            text: format!("{before}{}{after}", made.code),
            map: made.map.map(|map| {
                // Of a map only this is needed: the sources' texts and names would double an artefact.
                let map = map.to_json();
                json!({
                    "version": 3,
                    "sources": [name],
                    "names": [],
                    "mappings": ";".repeat(lines) + &map.mappings,
                })
                .to_string()
            }),
        }))
    }

    fn none<'d>(&self, errors: impl Iterator<Item = &'d OxcDiagnostic>) -> Result<(), Vec<FileProblem>> {
        let problems = problems(self.path, self.text, errors);
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }

    /// What stands before and after the code: what decorators call, and for an ES module what it uses of CommonJS all the
    /// same, as sources may that are usually compiled to that.
    fn frame(&self, program: &oxc_ast::ast::Program<'_>, has_decorators: bool) -> (String, String) {
        let (mut before, mut after) = (String::new(), String::new());
        if self.kind == Some(Kind::CommonJs) && has_decorators {
            before.push_str("\"use strict\";\n");
        }
        if self.kind == Some(Kind::Module) {
            let built = SemanticBuilder::new().build(program);
            let free = built.semantic.scoping().root_unresolved_references();
            let uses = |name: &str| free.keys().any(|free| free.as_str() == name);
            let exports = uses("exports") || uses("module");
            let imported =
                |name: &str, from: &str| format!("import {{ {name} as __{name} }} from \"{from}\";\n");
            if uses("require") {
                before.push_str(&imported("createRequire", "module"));
                before.push_str("const require = __createRequire(import.meta.url);\n");
            }
            if uses("__filename") || uses("__dirname") {
                before.push_str(&imported("fileURLToPath", "url"));
                before.push_str("const __filename = __fileURLToPath(import.meta.url);\n");
                before.push_str(
                    "const __dirname = __fileURLToPath(new URL(\".\", import.meta.url)).slice(0, -1);\n",
                );
            }
            if exports {
                before.push_str("const module = { exports: {} }, { exports } = module;\n");
                let has_default =
                    program.body.iter().any(|it| matches!(it, Statement::ExportDefaultDeclaration(_)));
                if !has_default {
                    after.push_str("export default module.exports;\n");
                }
            }
        }
        if has_decorators {
            before.push_str(DECORATORS);
            before.push('\n');
        }
        (before, after)
    }
}

fn problems<'d>(path: &str, text: &str, errors: impl Iterator<Item = &'d OxcDiagnostic>) -> Vec<FileProblem> {
    let lines = Lines::new(text);
    let problem = |error: &OxcDiagnostic| {
        let at = error.labels.first().map_or(0, LabeledSpan::offset);
        let (line, column) = lines.place(at as usize);
        FileProblem {
            path: path.to_owned(),
            line,
            column,
            message: format!("SyntaxError: {}", error.message),
        }
    };
    errors.map(problem).collect()
}

/// Looks for decorators.
#[derive(Default)]
struct Decorators {
    first: Option<usize>,
}

impl Decorators {
    /// Whether there are some.
    ///
    /// # Errors
    /// They are not those that can be compiled.
    fn are_in(program: &oxc_ast::ast::Program<'_>, file: &Program<'_>) -> Result<bool, Vec<FileProblem>> {
        let mut found = Self::default();
        found.visit_program(program);
        let Some(at) = found.first.filter(|_| file.kind.is_some()) else { return Ok(false) };
        if file.settings.has_decorators() {
            return Ok(true);
        }
        let (line, column) = Lines::new(file.text).place(at);
        let message = "SyntaxError: Node.js has no decorators yet; set \"experimentalDecorators\": true in \
                       tsconfig.json, with which they are compiled, or write the call out"
            .to_owned();
        Err(vec![FileProblem { path: file.path.to_owned(), line, column, message }])
    }
}

impl<'a> Visit<'a> for Decorators {
    fn visit_decorator(&mut self, it: &Decorator<'a>) {
        self.first.get_or_insert(it.span().start as usize);
    }
}
