package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/scanner"
	"go/token"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// file is one of the author's files and what the compiler sees of it.
type file struct {
	name string
	// text changes; its lines keep their numbers.
	text   []byte
	syntax *ast.File
}

// source is the author's package.
type source struct {
	positions *token.FileSet
	files     []*file
	renamed   int
}

// warn tells the author of something that was changed for the build.
func warn(format string, values ...interface{}) {
	fmt.Fprintf(os.Stderr, format+"\n", values...)
}

// readSource parses the Go files of a folder, in the order of their names.
func readSource(dir string) (*source, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return nil, err
	}
	source := &source{positions: token.NewFileSet()}
	isBroken := false
	for _, path := range paths {
		name := filepath.Base(path)
		if strings.HasSuffix(name, "_test.go") || name[0] == '_' || name[0] == '.' {
			continue
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		syntax, err := parser.ParseFile(source.positions, name, text, parser.ParseComments)
		if err != nil {
			isBroken = true
			report(err)
			continue
		}
		source.files = append(source.files, &file{name: name, text: text, syntax: syntax})
	}
	if isBroken {
		return nil, errRefused
	}
	if len(source.files) == 0 {
		return nil, fmt.Errorf("there is no .go file in the code")
	}
	return source, nil
}

// report prints the first few errors of a file that can't be parsed.
func report(err error) {
	list, isList := err.(scanner.ErrorList)
	if !isList {
		fmt.Fprintln(os.Stderr, err)
		return
	}
	for i, one := range list {
		if i == 10 {
			fmt.Fprintf(os.Stderr, "… and %d more\n", len(list)-i)
			return
		}
		fmt.Fprintln(os.Stderr, one)
	}
}

// prepare makes one package of the files that the shim can call, and names the handler in it.
func (s *source) prepare(entryPoint string) (string, error) {
	for _, file := range s.files {
		if file.syntax.Name.Name != "main" {
			s.replace(file, file.syntax.Name, "main")
		}
		s.dropUnusedImports(file)
	}
	for _, name := range wanted(entryPoint) {
		if s.keepLast(name, "the last one is called") {
			s.retire("main")
			return name, nil
		}
	}
	return "", noHandler(entryPoint)
}

// imports says whether a file imports the package.
func (s *source) imports(path string) bool {
	for _, file := range s.files {
		for _, one := range file.syntax.Imports {
			if one.Path.Value == strconv.Quote(path) {
				return true
			}
		}
	}
	return false
}

// mentions says whether any of these texts is in a file.
func (s *source) mentions(texts ...string) bool {
	for _, file := range s.files {
		for _, text := range texts {
			if strings.Contains(string(file.text), text) {
				return true
			}
		}
	}
	return false
}

// functions are the declarations of a function (or, at package level, of a variable) of that name.
func (s *source) functions(name string) (declared []declaration, isVariable bool) {
	for _, file := range s.files {
		for _, node := range file.syntax.Decls {
			switch node := node.(type) {
			case *ast.FuncDecl:
				if node.Recv == nil && node.Name.Name == name {
					declared = append(declared, declaration{file, node.Name})
				}
			case *ast.GenDecl:
				for _, spec := range node.Specs {
					value, isValue := spec.(*ast.ValueSpec)
					for i := 0; isValue && i < len(value.Names); i++ {
						isVariable = isVariable || value.Names[i].Name == name
					}
				}
			}
		}
	}
	return declared, isVariable
}

// declaration is where a name is declared.
type declaration struct {
	file *file
	name *ast.Ident
}

// keepLast renames all declarations of a function but the last. False where there is none.
func (s *source) keepLast(name, why string) bool {
	declared, isVariable := s.functions(name)
	for i := 0; i+1 < len(declared); i++ {
		last := s.positions.Position(declared[len(declared)-1].name.Pos())
		s.warnAt(declared[i].name.Pos(), "%s is declared again at %s:%d, %s", name, last.Filename, last.Line, why)
		s.rename(declared[i])
	}
	return len(declared) > 0 || isVariable
}

// retire renames a function that the shim has to have the name of.
func (s *source) retire(name string) {
	declared, _ := s.functions(name)
	for _, one := range declared {
		s.warnAt(one.name.Pos(), "func %s is not called: the handler is", name)
		s.rename(one)
	}
}

func (s *source) rename(one declaration) {
	s.renamed++
	s.replace(one.file, one.name, "cloudboxUnused"+strconv.Itoa(s.renamed))
}

func (s *source) warnAt(at token.Pos, format string, values ...interface{}) {
	position := s.positions.Position(at)
	warn("%s:%d: warning: "+format, append([]interface{}{position.Filename, position.Line}, values...)...)
}

// replace puts another name where an identifier is. Later offsets of the file are kept right by parsing it again.
func (s *source) replace(file *file, name *ast.Ident, other string) {
	at := s.positions.Position(name.Pos()).Offset
	text := append([]byte{}, file.text[:at]...)
	text = append(text, other...)
	file.setText(s, append(text, file.text[at+len(name.Name):]...))
}

// setText takes a changed text that is known to parse.
func (f *file) setText(s *source, text []byte) {
	f.text = text
	if syntax, err := parser.ParseFile(s.positions, f.name, text, parser.ParseComments); err == nil {
		f.syntax = syntax
	}
}
