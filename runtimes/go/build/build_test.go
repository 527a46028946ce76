package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// gobuild is the tool, built once for all tests.
var gobuild string

func TestMain(m *testing.M) {
	folder, err := os.MkdirTemp("", "gobuild-test-")
	if err != nil {
		panic(err)
	}
	gobuild = filepath.Join(folder, "gobuild")
	if output, err := exec.Command("go", "build", "-o", gobuild, ".").CombinedOutput(); err != nil {
		panic(string(output))
	}
	code := m.Run()
	os.RemoveAll(folder)
	os.Exit(code)
}

// compile builds some files and gives the folder, what was said, and whether it worked.
func compile(t *testing.T, files map[string]string, entryPoint string) (string, string, bool) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	shim, err := filepath.Abs("../shim")
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command(gobuild, dir, entryPoint)
	command.Env = append(os.Environ(), "CLOUDBOX_SHIM="+shim)
	output, err := command.CombinedOutput()
	for name, text := range files {
		if now, _ := os.ReadFile(filepath.Join(dir, name)); string(now) != text {
			t.Errorf("%s was changed", name)
		}
	}
	return dir, string(output), err == nil
}

const head = "package main\n\n"

func TestTheUnusedImportIsDropped(t *testing.T) {
	code := head + "import (\n\t\"encoding/json\"\n\t\"fmt\"\n)\n\nimport \"time\"\n\ntype R struct {\n\tA string `json:\"a\"`\n}\n\n" +
		"func handler(data map[string]interface{}, context map[string]interface{}) (R, error) {\n\treturn R{A: fmt.Sprint(data[\"n\"])}, nil\n}\n"
	dir, said, ok := compile(t, map[string]string{"index.go": code}, "main")
	want := "index.go:4: warning: unused import \"encoding/json\" dropped\nindex.go:8: warning"
	if !ok || !strings.HasPrefix(said, want[:62]) || !strings.Contains(said, `"time" dropped`) {
		t.Fatalf("%v %s", ok, said)
	}
	names, _ := filepath.Glob(filepath.Join(dir, "*"))
	if len(names) != 3 {
		t.Errorf("left behind: %v", names)
	}
	if mark, _ := os.ReadFile(filepath.Join(dir, ".cloudbox-main")); string(mark) != "function" {
		t.Errorf("main is %q", mark)
	}
}

func TestErrorsHaveTheAuthorsPlaces(t *testing.T) {
	for code, want := range map[string]string{
		head + "func handler( {":                                      "index.go:3:15: ",
		head + "func handler() int {\n\treturn nope\n}\n":             "index.go:4:9: undefined: nope",
		head + "func other() {}\n":                                    `no function "handler" to call`,
		head + "import \"example.com/x\"\nfunc handler() { x.Y() }\n": "index.go:3:8: ",
	} {
		dir, said, ok := compile(t, map[string]string{"index.go": code}, "handler")
		if ok || !strings.Contains(said, want) || strings.Contains(said, dir) {
			t.Errorf("%v %q in place of %q", ok, said, want)
		}
		if names, _ := filepath.Glob(filepath.Join(dir, "*")); len(names) != 1 {
			t.Errorf("left behind: %v", names)
		}
	}
	if _, said, ok := compile(t, map[string]string{"index.txt": ""}, "handler"); ok || !strings.Contains(said, "no .go file") {
		t.Error(said)
	}
}

func TestACheckFindsWhatIsWrongWithoutABuild(t *testing.T) {
	for code, want := range map[string]string{
		head + "func handler( {":             "index.go:3:15: ",
		head + "func hander() {}\n":          `no function "handler" to call`,
		head + "func handler() {}\n":         "",
		head + "var handler = func() {}\n":   "",
		head + "func Handler() { nope() }\n": "",
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "index.go"), []byte(code), 0o644); err != nil {
			t.Fatal(err)
		}
		said, err := exec.Command(gobuild, "check", dir, "index.handler").CombinedOutput()
		if (err == nil) != (want == "") || !strings.Contains(string(said), want) {
			t.Errorf("%v %q in place of %q", err, said, want)
		}
		if names, _ := filepath.Glob(filepath.Join(dir, "*")); len(names) != 1 {
			t.Errorf("left behind: %v", names)
		}
	}
	code := head + "func handler() int {\n\treturn 1\n}\n"
	if _, said, ok := compile(t, map[string]string{"index.go": code}, "index.run"); ok || !strings.Contains(said, `no function "run"`) {
		t.Error("a handler that was chosen has no other in its place:", said)
	}
}

func frame(kind byte, header, body string) []byte {
	prefix := make([]byte, 9)
	prefix[0] = kind
	binary.BigEndian.PutUint32(prefix[1:], uint32(len(header)))
	binary.BigEndian.PutUint32(prefix[5:], uint32(len(body)))
	return append(append(prefix, header...), body...)
}

func read(t *testing.T, from io.Reader) (byte, map[string]interface{}, string) {
	t.Helper()
	prefix := make([]byte, 9)
	if _, err := io.ReadFull(from, prefix); err != nil {
		return 0, nil, ""
	}
	header := make([]byte, binary.BigEndian.Uint32(prefix[1:]))
	body := make([]byte, binary.BigEndian.Uint32(prefix[5:]))
	if _, err := io.ReadFull(from, header); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(from, body); err != nil {
		t.Fatal(err)
	}
	var fields map[string]interface{}
	if err := json.Unmarshal(header, &fields); err != nil {
		t.Fatal(err)
	}
	return prefix[0], fields, string(body)
}

// function is a compiled function that runs.
type function struct {
	command *exec.Cmd
	in      io.WriteCloser
	out     io.Reader
	logs    bytes.Buffer
}

// start builds and loads code; the answer to load is its kind and header.
func start(t *testing.T, code string) (*function, byte, map[string]interface{}) {
	t.Helper()
	dir, said, ok := compile(t, map[string]string{"index.go": head + code}, "handler")
	if !ok {
		t.Fatal(said)
	}
	f := &function{command: exec.Command(filepath.Join(dir, "function"))}
	f.command.Stderr = &f.logs
	f.in, _ = f.command.StdinPipe()
	f.out, _ = f.command.StdoutPipe()
	if err := f.command.Start(); err != nil {
		t.Fatal(err)
	}
	if kind, hello, _ := read(t, f.out); kind != 1 || hello["runtime"] != "go" {
		t.Fatalf("%d %v in place of hello", kind, hello)
	}
	load, _ := json.Marshal(map[string]interface{}{"nonce": "n0", "code_dir": dir, "main": "function", "entry_point": "handler",
		"handler_style": "auto", "env": map[string]string{"SECRET": "x"},
		"function": map[string]interface{}{"id": 7, "name": "greet", "project_id": 1, "version": 2, "memory_mb": 128}})
	_, _ = f.in.Write(frame(2, string(load), ""))
	kind, header, _ := read(t, f.out)
	return f, kind, header
}

func (f *function) invoke(t *testing.T, body string) (byte, map[string]interface{}, string) {
	t.Helper()
	head, _ := json.Marshal(map[string]interface{}{"nonce": "n1", "invocation_id": "i-1", "mode": "raw", "data": "body", "method": "POST",
		"path": "/x", "query": "q=1", "headers": [][]string{{"x-a", "1"}, {"x-a", "2"}}, "timestamp": "now", "timeout_ms": 1000,
		"max_response_bytes": 1 << 20, "deadline_ms": time.Now().UnixNano()/1e6 + 60000})
	_, _ = f.in.Write(frame(4, string(head), body))
	return read(t, f.out)
}

// end gives the exit code and the logs.
func (f *function) end() (int, string) {
	_ = f.in.Close()
	_ = f.command.Wait()
	return f.command.ProcessState.ExitCode(), f.logs.String()
}

func TestACompiledFunctionAnswers(t *testing.T) {
	f, kind, loaded := start(t, `
import ("fmt"; "os"; "os/exec"; "errors")
var secret = os.Getenv("SECRET")
func init() { fmt.Println("top") }
func handler() {}
func main() { panic("not called") }
func handler(data map[string]interface{}, context map[string]interface{}) (interface{}, error) {
	fmt.Println("out"); fmt.Fprintln(os.Stderr, "err")
	child := exec.Command("/bin/sh", "-c", "echo child"); child.Stdout = os.Stdout
	if err := child.Run(); err != nil { return nil, err }
	switch data["do"] {
	case "fail": return nil, errors.New("Name is required")
	case "panic": var list []int; return list[len(data)], nil
	case "exit": os.Exit(3)
	case "log": context["log"].(map[string]interface{})["warn"].(func(string, ...interface{}))("slow", map[string]int{"ms": 1})
	}
	return []interface{}{secret, context["headers"], context["query"], context["function_name"], context["version"]}, nil
}
`)
	if kind != 3 || loaded["nonce"] != "n0" || loaded["handler_style"] != "data" {
		t.Fatalf("%d %v", kind, loaded)
	}
	if kind, header, body := f.invoke(t, "{}"); kind != 5 || header["nonce"] != "n1" || body != `["x",{"x-a":"1, 2"},{"q":"1"},"greet",2]` {
		t.Errorf("%d %v %s", kind, header, body)
	}
	if kind, header, _ := f.invoke(t, `{"do":"fail"}`); kind != 6 || header["message"] != "Name is required" {
		t.Errorf("%d %v", kind, header)
	}
	kind, header, _ := f.invoke(t, `{"do":"panic"}`)
	if stack, _ := header["stack"].(string); kind != 6 || !strings.HasPrefix(header["message"].(string), "panic: runtime error: index out of range") ||
		!strings.Contains(stack, "index.go:15") || strings.Contains(stack, "cloudbox_main.go") {
		t.Errorf("%d %v", kind, header)
	}
	if kind, header, _ := f.invoke(t, `{"do":"log"}`); kind != 7 || header["message"] != "slow" || header["level"] != "warn" {
		t.Errorf("%d %v", kind, header)
	}
	if kind, _, _ := read(t, f.out); kind != 5 {
		t.Errorf("kind %d after the log", kind)
	}
	if kind, _, _ := f.invoke(t, `{"do":"exit"}`); kind != 0 {
		t.Errorf("kind %d after an exit", kind)
	}
	code, logs := f.end()
	if code != 3 || !strings.HasPrefix(logs, "top\nout\nerr\nchild\nout\n") {
		t.Errorf("exit %d, logs %q", code, logs)
	}
}

func TestDescriptorsAndFloods(t *testing.T) {
	f, kind, _ := start(t, `
import ("strings"; "syscall"; "fmt")
func handler(data string) (int, error) {
	if data == "flood" { for i := 0; i < 10240; i++ { fmt.Println(strings.Repeat("x", 1023)) }; return 1, nil }
	n, _ := syscall.Read(0, make([]byte, 10))
	syscall.Write(1, []byte("one\n")); syscall.Write(2, []byte("two\n"))
	if data == "close" { syscall.Close(0); syscall.Close(1); syscall.Close(2) }
	return n, nil
}
`)
	if kind != 3 {
		t.Fatal(kind)
	}
	for _, data := range []string{`"flood"`, `"read"`, `"close"`, "plain text"} {
		if kind, header, body := f.invoke(t, data); kind != 5 {
			t.Errorf("%s: %d %v %s", data, kind, header, body)
		}
	}
	code, logs := f.end()
	if code != 0 || len(logs) != 10<<20+16 {
		t.Errorf("exit %d, %d bytes of logs", code, len(logs))
	}
}

func TestAHandlerOfAnUnknownShapeIsNoEntryPoint(t *testing.T) {
	f, kind, header := start(t, "func handler(a map[string]interface{}, b int) error { return nil }\n")
	if kind != 6 || header["kind"] != "entry_point" || !strings.Contains(header["message"].(string), "parameter 2") {
		t.Errorf("%d %v", kind, header)
	}
	if code, _ := f.end(); code != 0 {
		t.Errorf("exit %d", code)
	}
}

func TestHandlersOfNetHTTP(t *testing.T) {
	for what, code := range map[string]string{
		"a function": `
import ("fmt"; "io"; "net/http")
func Handler(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	w.Header().Add("Set-Cookie", "a=1"); w.Header().Add("Set-Cookie", "b=2")
	w.WriteHeader(201)
	fmt.Fprintf(w, "%s %s %s %s %s", r.Method, r.URL.Path, r.URL.Query().Get("q"), r.Header["X-A"], body)
}`,
		"a mux": `
import ("fmt"; "io"; "net/http")
var handler = http.NewServeMux()
func init() {
	handler.HandleFunc("/x", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Add("Set-Cookie", "a=1"); w.Header().Add("Set-Cookie", "b=2")
		w.WriteHeader(201)
		fmt.Fprintf(w, "%s %s %s %s %s", r.Method, r.URL.Path, r.URL.Query().Get("q"), r.Header["X-A"], body)
	})
}`,
	} {
		f, kind, loaded := start(t, code)
		if kind != 3 || loaded["handler_style"] != "http" {
			t.Fatalf("%s: %d %v", what, kind, loaded)
		}
		kind, header, body := f.invoke(t, "hi")
		var answer struct {
			StatusCode int
			Headers    map[string]interface{}
			Body       string
		}
		if err := json.Unmarshal([]byte(body), &answer); err != nil || kind != 5 {
			t.Fatalf("%s: %d %v %s", what, kind, header, body)
		}
		if answer.StatusCode != 201 || answer.Body != "POST /x 1 [1 2] hi" || len(answer.Headers["set-cookie"].([]interface{})) != 2 {
			t.Errorf("%s: %+v", what, answer)
		}
		if code, logs := f.end(); code != 0 {
			t.Errorf("%s: %d %s", what, code, logs)
		}
	}
}

func TestAPanicOfANetHTTPHandlerHasTheAuthorsLines(t *testing.T) {
	f, _, _ := start(t, `
import "net/http"
func Handler(w http.ResponseWriter, r *http.Request) { panic("no") }`)
	kind, header, _ := f.invoke(t, "")
	stack, _ := header["stack"].(string)
	if kind != 6 || header["message"] != "panic: no" || !strings.Contains(stack, "index.go:5") || strings.Contains(stack, "cloudbox") {
		t.Errorf("%d %v", kind, header)
	}
	f.end()
}
