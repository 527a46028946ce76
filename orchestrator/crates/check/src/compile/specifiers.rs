//! Leads a program's imports of its own files to the files that come of them.

use oxc_allocator::{Allocator, Box as ArenaBox};
use oxc_ast::ast::{
    Argument, CallExpression, ExportAllDeclaration, ExportFromDeclaration, Expression, ImportDeclaration,
    ImportExpression, StringLiteral, WithClause,
};
use oxc_ast_visit::{VisitMut, walk_mut};

use super::resolve::Names;

/// Changes the names of a program's imports.
pub(super) struct Specifiers<'t, 'a> {
    pub(super) allocator: &'a Allocator,
    pub(super) names: &'t Names<'t>,
    pub(super) path: &'t str,
    /// Whether something was changed.
    pub(super) has_changed: bool,
}

impl<'a> Specifiers<'_, 'a> {
    fn lead(&mut self, literal: &mut StringLiteral<'a>, is_import: bool) -> bool {
        let Some(found) = self.names.find(self.path, literal.value.as_str()) else { return false };
        let is_data = is_import && found.is_data;
        let specifier =
            if is_data { self.names.data_module(self.path, &found.specifier) } else { found.specifier };
        if literal.value.as_str() != specifier {
            literal.value = self.allocator.alloc_str(&specifier).into();
            literal.raw = None;
            self.has_changed = true;
        }
        is_data
    }

    /// An import of data says so to a Node.js that knows it; what takes its place is a module.
    fn import(&mut self, source: &mut StringLiteral<'a>, with: &mut Option<ArenaBox<'a, WithClause<'a>>>) {
        if self.lead(source, true) {
            *with = None;
        }
    }
}

impl<'a> VisitMut<'a> for Specifiers<'_, 'a> {
    fn visit_import_declaration(&mut self, it: &mut ImportDeclaration<'a>) {
        self.import(&mut it.source, &mut it.with_clause);
    }

    fn visit_export_from_declaration(&mut self, it: &mut ExportFromDeclaration<'a>) {
        self.import(&mut it.source, &mut it.with_clause);
    }

    fn visit_export_all_declaration(&mut self, it: &mut ExportAllDeclaration<'a>) {
        self.import(&mut it.source, &mut it.with_clause);
    }

    fn visit_import_expression(&mut self, it: &mut ImportExpression<'a>) {
        match &mut it.source {
            Expression::StringLiteral(source) => {
                if self.lead(source, true) {
                    it.options = None;
                }
            }
            _ => walk_mut::walk_import_expression(self, it),
        }
    }

    /// `require('./x')` and `require.resolve('./x')`
    fn visit_call_expression(&mut self, it: &mut CallExpression<'a>) {
        let is_require =
            it.callee.is_specific_id("require") || it.callee.is_specific_member_access("require", "resolve");
        if let (true, Some(Argument::StringLiteral(source))) = (is_require, it.arguments.first_mut()) {
            self.lead(source, false);
        }
        walk_mut::walk_call_expression(self, it);
    }
}
