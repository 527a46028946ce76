package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sort"
	"strings"
)

// modulesDir is what an installation leaves, and where a build sees it.
const (
	modulesDir  = ".modules"
	modulesHere = "/usr/local/modules"
)

// wish is a module of the function's own list.
type wish struct{ path, version string }

// goMod is what `go mod edit -json` tells of a go.mod, as far as it is asked for.
type goMod struct {
	Require []struct {
		Path, Version string
		Indirect      bool
	}
	Replace []struct {
		Old struct{ Path string }
		New struct{ Path, Version string }
	}
}

// installation fetches modules for any code that may import them.
type installation struct {
	dir, target string
	cache       string
}

// install is `gobuild install DIR`: DIR has dependencies.txt, with a line for each module, and go.mod and go.sum where
// a package brings them. Leaves DIR/.modules with the modules, what is compiled of them, go.mod and go.sum.
func install(dir string) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	one := &installation{dir: dir, target: filepath.Join(dir, modulesDir)}
	one.cache = filepath.Join(dir, ".cache")
	if err := one.begin(); err != nil {
		return err
	}
	wishes, err := readWishes(filepath.Join(dir, "dependencies.txt"))
	if err != nil {
		return err
	}
	direct, err := one.require(wishes)
	if err != nil {
		return err
	}
	if err := one.fetch(direct); err != nil {
		return err
	}
	one.precompile(direct)
	return one.finish()
}

// begin makes what the go command needs.
func (i *installation) begin() error {
	if err := os.MkdirAll(filepath.Join(i.target, "mod"), 0o777); err != nil {
		return err
	}
	if err := joinCaches(i.cache, standardCache()); err != nil {
		return err
	}
	path := filepath.Join(i.dir, "go.mod")
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	return os.WriteFile(path, []byte(ownModule()), 0o644)
}

// require writes the function's own modules into go.mod, and gives the paths of all that code may import.
func (i *installation) require(wishes []wish) ([]string, error) {
	has, err := i.readMod()
	if err != nil {
		return nil, err
	}
	for _, replaced := range has.Replace {
		if replaced.New.Version == "" {
			return nil, fmt.Errorf("go.mod replaces %s by a folder; run `go mod vendor`, and deploy the folder vendor, too", replaced.Old.Path)
		}
	}
	direct := map[string]bool{}
	listed := map[string]string{}
	for _, one := range has.Require {
		listed[one.Path] = one.Version
		if !one.Indirect {
			direct[one.Path] = true
		}
	}
	arguments := []string{"get"}
	for _, one := range wishes {
		direct[one.path] = true
		if version, isListed := listed[one.path]; isListed && isExact(one.version) && version != one.version {
			return nil, fmt.Errorf("module %s is %s in `dependencies` and %s in go.mod; name it once, or with the same version", one.path, one.version, version)
		}
		arguments = append(arguments, one.path+"@"+one.version)
	}
	if len(arguments) > 1 {
		if output, err := i.run(arguments...); err != nil {
			return nil, told(output, err)
		}
	}
	var paths []string
	for path := range direct {
		paths = append(paths, path)
	}
	sort.Strings(paths)
	return paths, nil
}

// fetch has the go command look at all packages of the modules and all that those import, so that all of it is here.
func (i *installation) fetch(modules []string) error {
	if len(modules) == 0 {
		return nil
	}
	if output, err := i.run(append([]string{"mod", "download"}, modules...)...); err != nil {
		return told(output, err)
	}
	arguments := []string{"list", "-e", "-deps", "-f", ""}
	for _, module := range modules {
		arguments = append(arguments, module+"/...")
	}
	if output, err := i.run(arguments...); err != nil {
		return told(output, err)
	}
	return nil
}

// precompile compiles the packages that have their module's name, those that most code imports. Where that fails, the
// function's own build says so, if it needs them.
func (i *installation) precompile(modules []string) {
	arguments := append([]string{"list", "-e", "-f", "{{if and (not .Error) (not .DepsErrors) (ne .Name \"main\")}}{{.ImportPath}}{{end}}"}, modules...)
	output, err := i.run(arguments...)
	if err != nil {
		return
	}
	packages := strings.Fields(output)
	if len(packages) > 0 {
		_, _ = i.run(append([]string{"build", "-trimpath", "-buildvcs=false"}, packages...)...)
	}
}

// finish keeps what a build needs: no archives, of the compiled files those that are new, and the go.mod.
func (i *installation) finish() error {
	archives, err := filepath.Glob(filepath.Join(i.target, "mod", "cache", "download"))
	if err != nil {
		return err
	}
	for _, folder := range archives {
		if err := removeArchives(folder); err != nil {
			return err
		}
	}
	if err := os.RemoveAll(filepath.Join(i.target, "mod", "cache", "lock")); err != nil {
		return err
	}
	if err := keepNew(i.cache, filepath.Join(i.target, "cache")); err != nil {
		return err
	}
	for _, name := range []string{"go.mod", "go.sum"} {
		text, err := os.ReadFile(filepath.Join(i.dir, name))
		if os.IsNotExist(err) {
			continue
		}
		if err == nil {
			err = os.WriteFile(filepath.Join(i.target, name), text, 0o644)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (i *installation) readMod() (*goMod, error) {
	output, err := i.run("mod", "edit", "-json")
	if err != nil {
		return nil, told(output, err)
	}
	parsed := &goMod{}
	return parsed, json.Unmarshal([]byte(output), parsed)
}

// run runs the go command and gives what it prints; errors of it are in the text.
func (i *installation) run(arguments ...string) (string, error) {
	command := exec.Command(compiler(), arguments...)
	command.Dir = i.dir
	command.Env = append(os.Environ(), "GO111MODULE=on", "GOWORK=off", "GOFLAGS=-mod=mod -modcacherw",
		"GOCACHE="+i.cache, "GOMODCACHE="+filepath.Join(i.target, "mod"))
	output, err := command.CombinedOutput()
	return string(output), err
}

// readWishes reads lines of a module and a version.
func readWishes(path string) ([]wish, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var wishes []wish
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		if words := strings.Fields(lines.Text()); len(words) == 2 {
			wishes = append(wishes, wish{words[0], words[1]})
		}
	}
	return wishes, lines.Err()
}

var exactVersion = regexp.MustCompile(`^v[0-9]+\.[0-9]+\.[0-9]+`)

func isExact(version string) bool { return exactVersion.MatchString(version) }

// told is the error of a go command, in its own words without what it says of its progress.
func told(output string, err error) error {
	var lines []string
	for _, line := range strings.Split(output, "\n") {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasPrefix(line, "go: downloading ") && !strings.HasPrefix(line, "go: finding ") {
			lines = append(lines, strings.TrimPrefix(line, "go: "))
		}
	}
	if len(lines) == 0 {
		return err
	}
	return fmt.Errorf("%s", strings.Join(lines, "\n"))
}

// removeArchives removes the archives of modules that are unpacked.
func removeArchives(folder string) error {
	return filepath.Walk(folder, func(path string, info os.FileInfo, err error) error {
		if err != nil || info.IsDir() {
			return err
		}
		if ending := filepath.Ext(path); ending == ".zip" || ending == ".lock" {
			return os.Remove(path)
		}
		return nil
	})
}

// keepNew moves the files of a cache that are no links into a folder of their own.
func keepNew(cache, to string) error {
	return filepath.Walk(cache, func(path string, info os.FileInfo, err error) error {
		if err != nil || !info.Mode().IsRegular() {
			return err
		}
		relative, err := filepath.Rel(cache, path)
		if err != nil || filepath.Dir(relative) == "." {
			return err
		}
		target := filepath.Join(to, relative)
		if err := os.MkdirAll(filepath.Dir(target), 0o777); err != nil {
			return err
		}
		if err := os.Rename(path, target); err == nil {
			return nil
		}
		return copyFile(path, target)
	})
}

func copyFile(from, to string) error {
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer source.Close()
	target, err := os.Create(to)
	if err != nil {
		return err
	}
	if _, err := io.Copy(target, source); err != nil {
		target.Close()
		return err
	}
	return target.Close()
}
