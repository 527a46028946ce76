//! What a program exports, as far as its text tells: is there a handler among it, and what is its `config`.

use std::collections::BTreeSet;

use oxc_ast::ast::{
    AssignmentExpression, AssignmentTarget, BindingPattern, Declaration, ExportDefaultDeclarationKind,
    ExportSpecifier, Expression, IdentifierReference, ObjectPropertyKind, Program, Statement,
};
use oxc_ast_visit::{Visit, walk};

/// What the author of a program without a handler is told.
pub(super) const FORMS: &str = "no handler: export one as `export default async function handler(request, context) {…}`, \
    `export async function handler(event, context) {…}`, `exports.handler = async (data, context) => {…}`, \
    `module.exports = (req, res) => {…}`, `export default { fetch(request) {…} }` or `function main(params) {…}`";

/// Names under which a handler is found.
const NAMES: [&str; 4] = ["handler", "main", "handle", "fetch"];

/// The exports of a program.
#[derive(Default)]
pub(super) struct Exports<'t, 'a> {
    names: BTreeSet<String>,
    /// Something may be exported whose name isn't written there.
    is_open: bool,
    has_any: bool,
    /// The value of the export `config`.
    pub(super) config: Option<&'t Expression<'a>>,
}

impl<'t, 'a> Exports<'t, 'a> {
    pub(super) fn collect(program: &'t Program<'a>) -> Self {
        let mut exports = Self::default();
        for statement in &program.body {
            match statement {
                Statement::ExpressionStatement(it) => exports.assigned(&it.expression),
                other => exports.take(other),
            }
        }
        // A script that exports nothing and declares `main` or `handler`.
        if !exports.has_any && !exports.is_open {
            let declared = program.body.iter().filter_map(|it| match it {
                Statement::FunctionDeclaration(it) => it.id.as_ref().map(|id| id.name.to_string()),
                _ => None,
            });
            exports.names.extend(declared.filter(|name| name == "main" || name == "handler"));
        }
        exports
    }

    /// Whether one of the exports may be a handler.
    pub(super) fn have_handler(&self) -> bool {
        self.is_open || NAMES.iter().any(|name| self.names.contains(*name))
    }

    fn add(&mut self, name: &str, value: Option<&'t Expression<'a>>) {
        self.has_any = true;
        match (name, value) {
            ("config", value) => self.config = value.or(self.config),
            ("default", Some(value)) => self.whole(value),
            (_, Some(value)) if value.is_literal() => {}
            _ => {
                self.names.insert(name.to_owned());
            }
        }
    }

    /// An export that is everything: a handler itself, or an object that has one.
    fn whole(&mut self, value: &'t Expression<'a>) {
        self.has_any = true;
        let Expression::ObjectExpression(object) = value.get_inner_expression() else {
            self.is_open |= !value.is_literal();
            return;
        };
        for property in &object.properties {
            match property {
                ObjectPropertyKind::ObjectProperty(it) => match it.key.static_name() {
                    Some(name) => self.add(&name, Some(&it.value)),
                    None => self.is_open = true,
                },
                ObjectPropertyKind::SpreadProperty(_) => self.is_open = true,
            }
        }
    }

    fn take(&mut self, statement: &'t Statement<'a>) {
        match statement {
            Statement::ExportDefaultDeclaration(it) => {
                self.has_any = true;
                match &it.declaration {
                    ExportDefaultDeclarationKind::TSInterfaceDeclaration(_) => {}
                    other => match other.as_expression() {
                        Some(value) => self.whole(value),
                        None => self.is_open = true,
                    },
                }
            }
            Statement::ExportAllDeclaration(_) | Statement::TSExportAssignment(_) => {
                self.has_any = true;
                self.is_open = true;
            }
            Statement::ExportNamedDeclaration(it) => self.listed(&it.specifiers),
            Statement::ExportDeclaration(it) => self.declared(&it.declaration),
            Statement::ExportFromDeclaration(it) => self.listed(&it.specifiers),
            other => {
                let mut seen = Seen::default();
                seen.visit_statement(other);
                self.saw(seen);
            }
        }
    }

    fn saw(&mut self, seen: Seen) {
        self.is_open |= seen.is_open;
        self.has_any |= !seen.names.is_empty();
        self.names.extend(seen.names);
    }

    /// `exports.handler = module.exports = …`, and what is at the end of it.
    fn assigned(&mut self, expression: &'t Expression<'a>) {
        let mut value = expression;
        let mut targets = Vec::new();
        while let Expression::AssignmentExpression(it) = value {
            targets.extend(target(&it.left));
            value = it.right.get_inner_expression();
        }
        for target in targets {
            match target {
                Target::Whole => self.whole(value),
                Target::Named(name) => self.add(&name, Some(value)),
                Target::Unknown => self.is_open = true,
            }
        }
        let mut seen = Seen::default();
        seen.visit_expression(value);
        self.saw(seen);
    }

    /// `export { run as handler }`
    fn listed(&mut self, specifiers: &[ExportSpecifier<'a>]) {
        for specifier in specifiers {
            let name = specifier.exported.name();
            self.is_open |= name == "default";
            self.add(name.as_str(), None);
        }
    }

    fn declared(&mut self, declaration: &'t Declaration<'a>) {
        match declaration {
            Declaration::VariableDeclaration(it) => {
                for declarator in &it.declarations {
                    match &declarator.id {
                        BindingPattern::BindingIdentifier(id) => {
                            self.add(id.name.as_str(), declarator.init.as_ref());
                        }
                        pattern => {
                            let names = pattern.get_binding_identifiers();
                            names.iter().for_each(|it| self.add(it.name.as_str(), None));
                        }
                    }
                }
            }
            other => {
                if let Some(id) = other.id() {
                    self.add(id.name.as_str(), None);
                }
            }
        }
    }
}

/// What an assignment to the exports assigns to.
enum Target {
    Whole,
    Named(String),
    Unknown,
}

/// `exports`, `module.exports`, a property of them, or (as `this` of a script) something like it.
fn target(target: &AssignmentTarget<'_>) -> Option<Target> {
    match target {
        AssignmentTarget::StaticMemberExpression(it) => member(&it.object, Some(it.property.name.as_str())),
        AssignmentTarget::ComputedMemberExpression(it) => match &it.expression {
            Expression::StringLiteral(name) => member(&it.object, Some(name.value.as_str())),
            _ => member(&it.object, None),
        },
        _ => None,
    }
}

fn member(object: &Expression<'_>, name: Option<&str>) -> Option<Target> {
    let is_exports =
        object.is_specific_id("exports") || object.is_specific_member_access("module", "exports");
    match name {
        _ if matches!(object, Expression::ThisExpression(_)) => Some(Target::Unknown),
        Some("exports") if object.is_specific_id("module") => Some(Target::Whole),
        Some(name) if is_exports => Some(Target::Named(name.to_owned())),
        None if is_exports => Some(Target::Unknown),
        _ => None,
    }
}

/// Finds what is done with the exports anywhere but in a statement of its own at the top.
#[derive(Default)]
struct Seen {
    names: Vec<String>,
    is_open: bool,
}

impl<'a> Visit<'a> for Seen {
    fn visit_assignment_expression(&mut self, it: &AssignmentExpression<'a>) {
        match target(&it.left) {
            Some(Target::Named(name)) => {
                self.names.push(name);
                self.visit_expression(&it.right);
            }
            _ => walk::walk_assignment_expression(self, it),
        }
    }

    fn visit_identifier_reference(&mut self, it: &IdentifierReference<'a>) {
        self.is_open |= matches!(it.name.as_str(), "exports" | "module");
    }
}
