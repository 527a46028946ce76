package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
)

// maxRounds bounds how often an unused import is dropped and the compiler asked again: it tells ten at a time.
const maxRounds = 20

// httpShim is the part of the shim for functions that import net/http.
const httpShim = "01_cloudbox_http.go"

// clientShim is context["http"], for functions that speak of it: net/http makes a program larger.
const clientShim = "02_cloudbox_client.go"

// build is one compilation.
type build struct {
	dir, shim, scratch string
	// modules is the folder of installed modules; none where the code depends on none.
	modules string
	handler string
	source  *source
}

// run compiles; it may take some rounds until no unused import is left.
func (b *build) run() error {
	cleanUp, err := b.writeModule()
	if err != nil {
		return err
	}
	defer cleanUp()
	for round := 0; ; round++ {
		overlay, err := b.writeOverlay()
		if err != nil {
			return err
		}
		output, err := b.compile(overlay)
		if err == nil {
			return nil
		}
		if round < maxRounds && b.dropReported(output) {
			continue
		}
		fmt.Fprint(os.Stderr, b.readable(output))
		return errRefused
	}
}

// writeModule writes a go.mod where the author has none.
func (b *build) writeModule() (func(), error) {
	if b.modules != "" {
		if err := b.useModules(); err != nil {
			return nil, err
		}
	}
	path := filepath.Join(b.dir, "go.mod")
	if _, err := os.Stat(path); err == nil {
		return func() {}, nil
	}
	cleanUp := func() {
		_ = os.Remove(path)
		_ = os.Remove(filepath.Join(b.dir, "go.sum"))
	}
	// Where modules are installed, it says where the module is, and the other one what is in it.
	return cleanUp, os.WriteFile(path, []byte(ownModule()), 0o644)
}

// ownModule is the go.mod of code that has none.
func ownModule() string {
	version := regexp.MustCompile(`^go1\.[0-9]+`).FindString(runtime.Version())
	return "module " + program + "\n\ngo " + strings.TrimPrefix(version, "go") + "\n"
}

// useModules has the compiler read the go.mod of the installed modules, and take from their cache. It writes into
// both, so into copies.
func (b *build) useModules() error {
	for _, name := range []string{"go.mod", "go.sum"} {
		err := copyFile(filepath.Join(b.modules, name), filepath.Join(b.scratch, name))
		if err != nil && !os.IsNotExist(err) {
			return err
		}
	}
	return joinCaches(filepath.Join(b.scratch, "cache"), standardCache(), filepath.Join(b.modules, "cache"))
}

// writeOverlay writes what the compiler sees in place of the folder's files, and gives the overlay's name.
func (b *build) writeOverlay() (string, error) {
	replace := map[string]string{}
	shims, err := filepath.Glob(filepath.Join(b.shim, "00_cloudbox_*.go"))
	if err != nil || len(shims) == 0 {
		return "", fmt.Errorf("the shim's sources are not in %s", b.shim)
	}
	for _, shim := range shims {
		if !strings.HasSuffix(shim, "_test.go") {
			replace[filepath.Join(b.dir, filepath.Base(shim))] = shim
		}
	}
	if b.source.imports("net/http") {
		replace[filepath.Join(b.dir, httpShim)] = filepath.Join(b.shim, httpShim)
	}
	if b.source.imports("net/http") || b.source.mentions("cloudbox.HTTP(", `["http"]`) {
		replace[filepath.Join(b.dir, clientShim)] = filepath.Join(b.shim, clientShim)
	}
	write := func(name string, text []byte) error {
		copied := filepath.Join(b.scratch, name)
		replace[filepath.Join(b.dir, name)] = copied
		return os.WriteFile(copied, text, 0o644)
	}
	for _, file := range b.source.files {
		if err := write(file.name, file.text); err != nil {
			return "", err
		}
	}
	glue := "package main\n\nfunc init() { cloudboxHandler = " + b.handler + " }\n"
	if _, isVariable := b.source.functions("config"); isVariable {
		glue += "\nfunc init() { cloudboxConfig = config }\n"
	}
	if err := write("00_cloudbox_glue.go", []byte(glue)); err != nil {
		return "", err
	}
	overlay := filepath.Join(b.scratch, "overlay.json")
	text, err := json.Marshal(map[string]interface{}{"Replace": replace})
	if err != nil {
		return "", err
	}
	return overlay, os.WriteFile(overlay, text, 0o644)
}

// compile runs the compiler and gives what it says.
func (b *build) compile(overlay string) (string, error) {
	arguments := []string{"build", "-overlay", overlay, "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", filepath.Join(b.dir, program)}
	if b.modules != "" {
		arguments = append(arguments, "-modfile="+filepath.Join(b.scratch, "go.mod"))
	}
	command := exec.Command(compiler(), append(arguments, ".")...)
	command.Dir = b.dir
	command.Env = b.environment()
	var output bytes.Buffer
	command.Stdout, command.Stderr = &output, &output
	err := command.Run()
	if _, isExit := err.(*exec.ExitError); err != nil && !isExit {
		fmt.Fprintln(&output, err)
	}
	return output.String(), err
}

func compiler() string {
	if path, err := exec.LookPath("go"); err == nil {
		return path
	}
	return "/usr/local/go/bin/go"
}

// environment is what is given, and what a build needs where it is not.
func (b *build) environment() []string {
	environment := append(os.Environ(), "CGO_ENABLED=0", "GO111MODULE=on", "GOWORK=off", "GOTOOLCHAIN=local", "GOTELEMETRY=off")
	for name, value := range map[string]string{
		"GOFLAGS": b.flags(),
		"GOPROXY": "off",
		"GOCACHE": filepath.Join(b.scratch, "cache"),
		"GOPATH":  filepath.Join(b.scratch, "path"),
	} {
		_, isSet := os.LookupEnv(name)
		_, hasHome := os.LookupEnv("HOME")
		if !isSet && !(hasHome && (name == "GOCACHE" || name == "GOPATH")) {
			environment = append(environment, name+"="+value)
		}
	}
	if b.modules != "" {
		environment = append(environment, "GOCACHE="+filepath.Join(b.scratch, "cache"), "GOMODCACHE="+filepath.Join(b.modules, "mod"))
	}
	return environment
}

// flags has the compiler use the author's vendored modules, where there are some.
func (b *build) flags() string {
	if _, err := os.Stat(filepath.Join(b.dir, "vendor", "modules.txt")); err == nil {
		return "-mod=vendor"
	}
	return "-mod=mod"
}

// What the compiler says of an import that no module has: it would look for one, which builds can't.
var missingModule = regexp.MustCompile(`^(\S+:\d+:\d+): (?:cannot find module providing package|no required module provides package) ([^\s:;]+)[:;].*`)

var unusedImport = regexp.MustCompile(`(?m)^(?:\./)?([^/:\n]+\.go):\d+:\d+: "([^"]+)" imported (?:as \S+ )?(?:and|but) not used`)

// dropReported drops the imports that the compiler calls unused. False where there is none.
func (b *build) dropReported(output string) bool {
	hasDropped := false
	for _, found := range unusedImport.FindAllStringSubmatch(b.readable(output), -1) {
		for _, file := range b.source.files {
			if file.name == found[1] && b.source.dropImport(file, found[2]) {
				hasDropped = true
			}
		}
	}
	return hasDropped
}

// readable is the compiler's output in the author's file names.
func (b *build) readable(output string) string {
	var lines []string
	for _, line := range strings.SplitAfter(output, "\n") {
		if strings.HasPrefix(line, "# ") || strings.HasPrefix(line, "go: finding module ") {
			continue
		}
		line = missingModule.ReplaceAllString(line, `$1: package "$2" is in no module of the function's dependencies`)
		line = strings.ReplaceAll(line, b.scratch+"/", "")
		line = strings.ReplaceAll(line, b.dir+"/", "")
		lines = append(lines, strings.TrimPrefix(line, "./"))
	}
	return strings.Join(lines, "")
}
