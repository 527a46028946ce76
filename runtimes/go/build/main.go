// gobuild compiles a function's Go code together with the shim: `gobuild DIR ENTRY_POINT`. `gobuild check DIR ENTRY_POINT`
// looks only whether the code can be parsed and has the handler. `gobuild install DIR` fetches modules, see install.go.
//
// The author's files stay as they are. What has to differ for the compiler (an unused import, a handler that is
// declared twice, the shim's own files) is given to it as an overlay. Leaves `DIR/function`, the program, and
// `DIR/.cloudbox-main`; messages go to stderr as `index.go:5:2: …`, and the exit code is 1 where it does not compile.
package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// program is the name of what is built.
const program = "function"

// errRefused says that the author was told already what is wrong.
var errRefused = errors.New("the code does not compile")

func main() {
	var err error
	switch words := os.Args[1:]; {
	case len(words) == 3 && words[0] == "check":
		err = check(words[1], words[2])
	case len(words) == 2 && words[0] == "install":
		err = install(words[1])
	case len(words) == 2:
		err = run(words[0], words[1])
	default:
		fmt.Fprintln(os.Stderr, "usage: gobuild [check] DIR ENTRY_POINT, or gobuild install DIR")
		os.Exit(2)
	}
	if err != nil && !errors.Is(err, errRefused) {
		fmt.Fprintln(os.Stderr, "gobuild:", err)
	}
	if err != nil {
		os.Exit(1)
	}
}

// check parses.
func check(dir, entryPoint string) error {
	source, err := readSource(dir)
	if err != nil {
		return err
	}
	for _, name := range wanted(entryPoint) {
		if declared, isVariable := source.functions(name); len(declared) > 0 || isVariable {
			return nil
		}
	}
	return noHandler(entryPoint)
}

// run builds; it removes what it wrote besides the program.
func run(dir, entryPoint string) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	if dir, err = filepath.EvalSymlinks(dir); err != nil {
		return err
	}
	shim, err := shimDir()
	if err != nil {
		return err
	}
	scratch, err := os.MkdirTemp("", "gobuild-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	source, err := readSource(dir)
	if err != nil {
		return err
	}
	handler, err := source.prepare(entryPoint)
	if err != nil {
		return err
	}
	build := &build{dir: dir, shim: shim, scratch: scratch, handler: handler, source: source}
	if info, err := os.Stat(modulesHere); err == nil && info.IsDir() {
		build.modules = modulesHere
	}
	if err := build.run(); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, ".cloudbox-main"), []byte(program), 0o644)
}

// shimDir is where the shim's sources are: beside this program, or where CLOUDBOX_SHIM says.
func shimDir() (string, error) {
	if dir := os.Getenv("CLOUDBOX_SHIM"); dir != "" {
		return filepath.Abs(dir)
	}
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	return filepath.Join(filepath.Dir(self), "shim"), nil
}

// wanted are the names a handler may have, best first: the one that was chosen, or those of functions whose author
// chose none.
func wanted(entryPoint string) []string {
	switch name := entryPoint[strings.LastIndex(entryPoint, ".")+1:]; name {
	case "", "handler", "main", "index", "default":
		return []string{"handler", "Handler", "Handle"}
	default:
		return []string{name}
	}
}

func noHandler(entryPoint string) error {
	return fmt.Errorf("no function %q to call: write `func handler(data, context map[string]interface{}) (interface{}, error)`", wanted(entryPoint)[0])
}
