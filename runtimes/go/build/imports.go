package main

import (
	"go/ast"
	"go/token"
	"regexp"
	"strconv"
	"strings"
)

// A module's major version, which is no part of its package's name.
var majorVersion = regexp.MustCompile(`^v[0-9]+$`)

// dropUnusedImports blanks imports that the file does not use, as far as their package's name is known: that of the
// standard library, or a name of the author's. Others are found by the compiler, see dropImport.
func (s *source) dropUnusedImports(file *file) {
	used := usedNames(file.syntax)
	var unused []string
	for _, spec := range file.syntax.Imports {
		name, isKnown := importName(spec)
		if isKnown && !used[name] {
			unused = append(unused, importPath(spec))
		}
	}
	for _, path := range unused {
		s.dropImport(file, path)
	}
}

// usedNames are the names before a dot that the file does not declare itself.
func usedNames(syntax *ast.File) map[string]bool {
	used := map[string]bool{}
	ast.Inspect(syntax, func(node ast.Node) bool {
		if selector, isSelector := node.(*ast.SelectorExpr); isSelector {
			if name, isName := selector.X.(*ast.Ident); isName {
				used[name.Name] = true
			}
		}
		return true
	})
	return used
}

func importPath(spec *ast.ImportSpec) string {
	path, _ := strconv.Unquote(spec.Path.Value)
	return path
}

// importName is what the file calls the package, where that can be told without looking into the package.
func importName(spec *ast.ImportSpec) (string, bool) {
	if spec.Name != nil {
		return spec.Name.Name, spec.Name.Name != "_" && spec.Name.Name != "."
	}
	parts := strings.Split(importPath(spec), "/")
	if strings.Contains(parts[0], ".") || parts[0] == "C" {
		return "", false
	}
	name := parts[len(parts)-1]
	if len(parts) > 1 && majorVersion.MatchString(name) {
		name = parts[len(parts)-2]
	}
	// A module of the author's own may have a name like the standard library's, so only what looks like it counts.
	return name, token.IsIdentifier(name)
}

// dropImport blanks one import and says so. False where the file has none of this path.
func (s *source) dropImport(file *file, path string) bool {
	for _, node := range file.syntax.Decls {
		group, isGroup := node.(*ast.GenDecl)
		if !isGroup || group.Tok != token.IMPORT {
			continue
		}
		for _, spec := range group.Specs {
			one := spec.(*ast.ImportSpec)
			if importPath(one) != path {
				continue
			}
			s.warnAt(one.Pos(), "unused import %q dropped", path)
			if group.Lparen.IsValid() {
				s.blank(file, one.Pos(), one.End())
			} else {
				s.blank(file, group.Pos(), group.End())
			}
			return true
		}
	}
	return false
}

// blank puts spaces in place of a piece of the text; line breaks stay.
func (s *source) blank(file *file, from, to token.Pos) {
	text := append([]byte{}, file.text...)
	end := s.positions.Position(to).Offset
	for i := s.positions.Position(from).Offset; i < end; i++ {
		if text[i] != '\n' {
			text[i] = ' '
		}
	}
	file.setText(s, text)
}
