//! What `tsconfig.json` says that compiling heeds.

use std::borrow::Cow;

use oxc_allocator::Allocator;
use oxc_parser::Parser;
use oxc_span::SourceType;
use oxc_transformer::{
    DecoratorOptions, EnvOptions, HelperLoaderMode, HelperLoaderOptions, JsxOptions, JsxRuntime, Module,
    TransformOptions, TypeScriptOptions,
};
use serde_json::{Map, Value};

use super::program::Kind;
use super::resolve::joined;
use super::{FileProblem, SourceFile, texts};
use crate::javascript;

/// Its name, in the folder itself.
const NAME: &str = "tsconfig.json";
/// How many files may extend one another.
const MAX_EXTENDS: usize = 8;

/// Whether a file may be a configuration: `tsconfig.json`, or what one extends.
pub(super) fn is_one(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.starts_with("tsconfig") && name.ends_with(".json")
}

/// The settings of a folder of sources.
#[derive(Debug, Default)]
pub(super) struct Settings {
    options: Map<String, Value>,
    /// Patterns of names with the paths that they stand for.
    pub(super) paths: Vec<(String, Vec<String>)>,
    /// The folder in which names without a dot are looked for, too.
    pub(super) base: Option<String>,
}

impl Settings {
    /// Of `tsconfig.json` and what it extends; the defaults where there is none.
    pub(super) fn read(sources: &[SourceFile], problems: &mut Vec<FileProblem>) -> Self {
        let mut settings = Self::default();
        let mut next = Some(NAME.to_owned());
        for _ in 0..MAX_EXTENDS {
            let Some(path) = next.take() else { break };
            let Some((_, text)) = texts(sources).find(|(name, _)| *name == path) else { break };
            match literal(text) {
                Some(Value::Object(file)) => next = settings.take(&path, file),
                _ => problems.push(FileProblem::of_file(&path, "SyntaxError: this is no JSON object")),
            }
        }
        settings
    }

    /// Takes what nearer files didn't say; the file that this one extends.
    fn take(&mut self, path: &str, mut file: Map<String, Value>) -> Option<String> {
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        if let Some(Value::Object(options)) = file.remove("compilerOptions") {
            let base = options.get("baseUrl").and_then(Value::as_str).and_then(|base| joined(folder, base));
            if let (true, Some(Value::Object(paths))) = (self.paths.is_empty(), options.get("paths")) {
                let from = base.as_deref().unwrap_or(folder);
                self.paths = paths.iter().map(|(name, to)| (name.clone(), targets(from, to))).collect();
            }
            self.base = self.base.take().or(base);
            for (name, value) in options {
                self.options.entry(name).or_insert(value);
            }
        }
        let extended = file.get("extends")?.as_str()?;
        // A package's one is not here yet.
        extended.starts_with('.').then(|| joined(folder, extended)).flatten()
    }

    fn flag(&self, name: &str) -> Option<bool> {
        self.options.get(name).and_then(Value::as_bool)
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.options.get(name).and_then(Value::as_str)
    }

    /// Whether decorators are taken for those of `experimentalDecorators`, the only ones that can be compiled.
    pub(super) fn has_decorators(&self) -> bool {
        self.flag("experimentalDecorators").unwrap_or(true)
    }

    /// What the transformer is told. No target: what Node.js itself doesn't know is found by its own check.
    pub(super) fn transform(&self, kind: Option<Kind>) -> TransformOptions {
        let pragma = |name, default| Cow::Owned(self.text(name).unwrap_or(default).to_owned());
        let typescript = TypeScriptOptions {
            jsx_pragma: pragma("jsxFactory", "React.createElement"),
            jsx_pragma_frag: pragma("jsxFragmentFactory", "React.Fragment"),
            only_remove_type_imports: self.flag("verbatimModuleSyntax").unwrap_or(false),
            remove_class_fields_without_initializer: self.flag("useDefineForClassFields") == Some(false),
            ..TypeScriptOptions::default()
        };
        let strict_null_checks = self.flag("strictNullChecks").or(self.flag("strict")).unwrap_or(true);
        let jsx = match self.text("jsx") {
            Some("react") => JsxOptions {
                runtime: JsxRuntime::Classic,
                pragma: self.text("jsxFactory").map(str::to_owned),
                pragma_frag: self.text("jsxFragmentFactory").map(str::to_owned),
                ..JsxOptions::enable()
            },
            _ => JsxOptions {
                import_source: self.text("jsxImportSource").map(str::to_owned),
                ..JsxOptions::enable()
            },
        };
        let module = if kind == Some(Kind::CommonJs) { Module::CommonJS } else { Module::Preserve };
        TransformOptions {
            typescript,
            decorator: DecoratorOptions {
                legacy: self.has_decorators(),
                emit_decorator_metadata: self.flag("emitDecoratorMetadata").unwrap_or(false),
                strict_null_checks,
            },
            jsx,
            env: EnvOptions { module, ..EnvOptions::default() },
            helper_loader: HelperLoaderOptions {
                mode: HelperLoaderMode::External,
                ..HelperLoaderOptions::default()
            },
            ..TransformOptions::default()
        }
    }
}

fn targets(from: &str, to: &Value) -> Vec<String> {
    let to = to.as_array().into_iter().flatten().filter_map(Value::as_str);
    to.filter_map(|path| joined(from, path)).collect()
}

/// The value of a text in JSON with comments and commas at ends.
fn literal(text: &str) -> Option<Value> {
    let text = format!("({text})");
    let allocator = Allocator::default();
    let expression = Parser::new(&allocator, &text, SourceType::cjs()).parse_expression().ok()?;
    Some(javascript::literal(&expression))
}
