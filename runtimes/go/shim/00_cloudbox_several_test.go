package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"os"
	"os/exec"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"
)

// shimVariable names, for a process of the test's own program, the handler with which it is the shim.
const shimVariable = "CLOUDBOX_TEST_SHIM"

func TestMain(m *testing.M) {
	name := os.Getenv(shimVariable)
	if name == "" {
		os.Exit(m.Run())
	}
	cloudboxPipes, cloudboxLoadedHead = cloudboxBegin()
	cloudboxHandler = handlers[name]
	main()
}

var gates = make(chan string)

// handlers are those of the shims that the tests start.
var handlers = map[string]interface{}{
	"gates": func(data map[string]interface{}, context map[string]interface{}) (interface{}, error) {
		text := func(name string) string { text, _ := data[name].(string); return text }
		log := context["log"].(map[string]interface{})["info"].(func(string, ...interface{}))
		call := context["hostCall"].(func(string, interface{}) (interface{}, error))
		if name := text("open"); name != "" {
			gates <- name
			return "opened", nil
		}
		switch text("do") {
		case "fail":
			return nil, fmt.Errorf("bad")
		case "panic":
			panic("odd")
		case "exit":
			runtime.Goexit()
		case "never":
			for i := 0; i < cloudboxMaxInFlight; i++ {
				go func() { _, _ = call("never", nil) }()
			}
		case "leave":
			go func() { time.Sleep(time.Hour) }()
		case "ask":
			return call("echo", data["with"])
		case "quick":
			return "quick", nil
		case "late":
			go func() {
				time.Sleep(20 * time.Millisecond)
				log("late")
				_, err := call("echo", 1)
				fmt.Println(err)
			}()
			return "quick", nil
		}
		log(text("wait"))
		for name := range gates {
			if name == text("wait") {
				break
			}
			gates <- name
		}
		return text("wait"), nil
	},
	"http": func(writer http.ResponseWriter, request *http.Request) {
		body, err := io.ReadAll(request.Body)
		if err != nil || len(body) == 0 {
			fmt.Fprint(writer, "quick")
			return
		}
		for i := 0; i < 5; i++ {
			fmt.Fprint(writer, i)
			writer.(http.Flusher).Flush()
		}
		writer.Write(bytes.Repeat(body[:1], 600_000))
		writer.(http.Flusher).Flush()
		if strings.HasPrefix(string(body), "break") {
			panic("half way")
		}
	},
	"echo": func(writer http.ResponseWriter, request *http.Request) { _, _ = io.Copy(writer, request.Body) },
}

// part is a frame from the shim.
type part struct {
	kind   string
	header map[string]interface{}
	body   []byte
}

func (p part) nonce() string { text, _ := p.header["nonce"].(string); return text }

// shimProcess is a shim, and what came for each of its calls.
type shimProcess struct {
	t        *testing.T
	command  *exec.Cmd
	requests *os.File
	answers  *os.File
	logs     bytes.Buffer
	last     int
	frames   map[string][]part
	answered map[string]part
	// slow is the calls whose pieces don't go on.
	slow map[string]bool
	// onCall is what is done for a host call.
	onCall func(call part)
}

func startShim(t *testing.T, handler string, load object) (*shimProcess, part) {
	t.Helper()
	s := &shimProcess{t: t, frames: map[string][]part{}, answered: map[string]part{}, slow: map[string]bool{}}
	s.onCall = func(call part) { s.reply(call, call.body) }
	in, requests, _ := os.Pipe()
	answers, out, _ := os.Pipe()
	s.requests, s.answers = requests, answers
	s.command = exec.Command(os.Args[0])
	s.command.Env = append(os.Environ(), shimVariable+"="+handler)
	s.command.Stdin, s.command.Stdout, s.command.Stderr = in, out, &s.logs
	if err := s.command.Start(); err != nil {
		t.Fatal(err)
	}
	in.Close()
	out.Close()
	t.Cleanup(func() {
		requests.Close()
		_ = s.command.Wait()
		answers.Close()
		if strings.Contains(s.logs.String(), "DATA RACE") {
			t.Error(s.logs.String())
		}
	})
	s.read()
	head := object{"code_dir": "/", "entry_point": "handler", "handler_style": "auto", "env": object{}, "nonce": "load"}
	for name, value := range load {
		head[name] = value
	}
	s.write(cloudboxLoad, head, nil)
	return s, s.read()
}

func (s *shimProcess) write(kind byte, header object, body []byte) {
	text, _ := json.Marshal(header)
	if _, err := s.requests.Write(cloudboxEncode(kind, text, body)); err != nil {
		s.t.Fatal(err)
	}
}

// read gives the next frame, one of kind `end` where there is none.
func (s *shimProcess) read() part {
	prefix := make([]byte, cloudboxPrefixLen)
	if _, err := io.ReadFull(s.answers, prefix); err != nil {
		return part{kind: "end"}
	}
	frame := part{kind: kinds[prefix[0]]}
	rest := make([]byte, int(prefix[1])<<24|int(prefix[2])<<16|int(prefix[3])<<8|int(prefix[4]))
	frame.body = make([]byte, int(prefix[5])<<24|int(prefix[6])<<16|int(prefix[7])<<8|int(prefix[8]))
	_, _ = io.ReadFull(s.answers, rest)
	_, _ = io.ReadFull(s.answers, frame.body)
	if err := json.Unmarshal(rest, &frame.header); err != nil {
		s.t.Fatal(err)
	}
	return frame
}

// start has the handler called, and doesn't wait.
func (s *shimProcess) start(body string, more object) string {
	s.last++
	nonce := fmt.Sprintf("%032x", s.last)
	head := object{"nonce": nonce, "mode": "raw", "data": "body", "method": "POST", "path": "/", "max_response_bytes": 1 << 20,
		"deadline_ms": math.MaxInt32 * 1000}
	for name, value := range more {
		head[name] = value
	}
	s.write(cloudboxInvoke, head, []byte(body))
	return nonce
}

func (s *shimProcess) taken(nonce string) { s.write(cloudboxTaken, object{"nonce": nonce}, nil) }

func (s *shimProcess) reply(call part, body []byte) {
	s.write(cloudboxReplyKind, object{"nonce": call.nonce(), "id": call.header["id"], "ok": true}, body)
}

// until gives each frame to its call until it is so.
func (s *shimProcess) until(isSo func() bool) {
	s.t.Helper()
	for !isSo() {
		frame := s.read()
		nonce := frame.nonce()
		if _, isOver := s.answered[nonce]; isOver || frame.kind == "end" {
			s.t.Fatalf("%s after the answer", frame.kind)
		}
		if frame.kind == "call" {
			s.onCall(frame)
			continue
		}
		s.frames[nonce] = append(s.frames[nonce], frame)
		switch {
		case frame.kind == "failure", frame.header["last"] == true, frame.kind == "result" && frame.header["is_streamed"] == nil:
			s.answered[nonce] = frame
		case frame.kind == "chunk" && !s.slow[nonce]:
			s.taken(nonce)
		}
	}
}

func (s *shimProcess) answer(nonce string) part {
	s.t.Helper()
	s.until(func() bool { return s.answered[nonce].kind != "" })
	return s.answered[nonce]
}

// pieces is the pieces of an answer that have come.
func (s *shimProcess) pieces(nonce string) (count int, whole string) {
	for _, frame := range s.frames[nonce] {
		if frame.kind == "chunk" && len(frame.body) > 0 {
			count++
			whole += string(frame.body)
		}
	}
	return count, whole
}

func same(t *testing.T, got, want interface{}) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%v in place of %v", got, want)
	}
}

func TestSeveralCallsAreAnsweredInAnyOrder(t *testing.T) {
	s, loaded := startShim(t, "gates", object{"concurrency": 8})
	same(t, loaded.header, object{"nonce": "load", "handler_style": "data", "concurrency": 8.0})
	a, b := s.start(`{"wait":"a"}`, nil), s.start(`{"wait":"b"}`, nil)
	s.start(`{"open":"b"}`, nil)
	same(t, string(s.answer(b).body), `"b"`)
	same(t, s.answered[a].kind, "")
	s.start(`{"open":"a"}`, nil)
	same(t, string(s.answer(a).body), `"a"`)
	for nonce, name := range map[string]string{a: "a", b: "b"} {
		same(t, s.frames[nonce][0].header["message"], name)
		same(t, len(s.frames[nonce]), 2)
	}
}

func TestWithoutConcurrencyCallsComeOneAtATime(t *testing.T) {
	for _, load := range []object{{}, {"concurrency": 1}} {
		s, loaded := startShim(t, "gates", load)
		same(t, loaded.header, object{"nonce": "load", "handler_style": "data"})
		for i := 0; i < 3; i++ {
			same(t, string(s.answer(s.start(`{"do":"ask","with":1}`, nil)).body), "1")
		}
	}
}

func TestHostCallsOfTwoCallsAreAnsweredLastFirst(t *testing.T) {
	s, _ := startShim(t, "gates", object{"concurrency": 8})
	var held []part
	s.onCall = func(call part) { held = append(held, call) }
	a, b := s.start(`{"do":"ask","with":"a"}`, nil), s.start(`{"do":"ask","with":"b"}`, nil)
	s.until(func() bool { return len(held) == 2 })
	s.reply(held[1], held[1].body)
	s.reply(held[0], held[0].body)
	same(t, string(s.answer(a).body), `"a"`)
	same(t, string(s.answer(b).body), `"b"`)
}

func TestBoundsHoldForAllCallsAndAnAnswerFreesItsOwn(t *testing.T) {
	s, _ := startShim(t, "gates", object{"concurrency": 8})
	never := 0
	s.onCall = func(call part) {
		if call.header["method"] == "echo" {
			s.reply(call, call.body)
		} else {
			never++
		}
	}
	a := s.start(`{"do":"never","wait":"a"}`, nil)
	s.until(func() bool { return never == cloudboxMaxInFlight })
	b := s.start(`{"do":"ask","with":1}`, nil)
	s.answer(s.start(`{"do":"quick"}`, nil))
	same(t, s.answered[b].kind, "")
	s.start(`{"open":"a"}`, nil)
	same(t, string(s.answer(a).body), `"a"`)
	same(t, string(s.answer(b).body), "1")
}

func TestAFailureIsThatOfItsCall(t *testing.T) {
	s, _ := startShim(t, "gates", object{"concurrency": 8})
	other := s.start(`{"wait":"a"}`, nil)
	for do, message := range map[string]string{"fail": "bad", "panic": "panic: odd", "exit": "the handler has ended its goroutine with runtime.Goexit"} {
		failure := s.answer(s.start(`{"do":"`+do+`"}`, nil))
		same(t, []interface{}{failure.kind, failure.header["message"], failure.header["survivors"]}, []interface{}{"failure", message, nil})
	}
	s.start(`{"open":"a"}`, nil)
	same(t, string(s.answer(other).body), `"a"`)
}

func TestWhatComesLateIsNobodys(t *testing.T) {
	s, _ := startShim(t, "gates", object{"concurrency": 8})
	for i := 0; i < 20; i++ {
		s.answer(s.start(`{"do":"late"}`, nil))
	}
	s.answer(s.start(`{"do":"quick"}`, nil))
	time.Sleep(100 * time.Millisecond)
	s.answer(s.start(`{"do":"quick"}`, nil))
	s.requests.Close()
	_ = s.command.Wait()
	same(t, strings.Count(s.logs.String(), "a host call can be made only while a handler runs"), 20)
}

func TestSurvivorsAreToldBesideNoOtherCall(t *testing.T) {
	s, _ := startShim(t, "gates", object{"concurrency": 8})
	same(t, s.answer(s.start(`{"do":"quick"}`, nil)).header["survivors"], nil)
	other := s.start(`{"wait":"a"}`, nil)
	left := s.start(`{"do":"leave","wait":"b"}`, nil)
	opener := s.start(`{"open":"b"}`, nil)
	same(t, s.answer(left).header["survivors"], nil)
	same(t, s.answer(opener).header["survivors"], nil)
	opener = s.start(`{"open":"a"}`, nil)
	s.answer(other)
	s.answer(opener)
	told := s.answer(s.start(`{"do":"quick"}`, nil)).header["survivors"]
	same(t, told, []interface{}{"goroutine"})
}

func TestASlowReaderOfOneAnswerHoldsUpNoOther(t *testing.T) {
	s, _ := startShim(t, "http", object{"concurrency": 8})
	stream := object{"mode": "http", "may_stream": true}
	slow, fast := s.start("s", stream), s.start("f", stream)
	s.slow[slow] = true
	same(t, s.answer(fast).header["last"], true)
	_, whole := s.pieces(fast)
	same(t, whole, "01234"+strings.Repeat("f", 600_000))
	same(t, string(s.answer(s.start("", object{"mode": "http"})).body), "quick")
	count, _ := s.pieces(slow)
	same(t, count, cloudboxWindow)
	s.taken(slow)
	s.until(func() bool { count, _ := s.pieces(slow); return count == 3 })
	s.answer(s.start("", object{"mode": "http"}))
	count, _ = s.pieces(slow)
	same(t, count, 3)
	s.slow[slow] = false
	s.taken(slow)
	s.taken(slow)
	s.answer(slow)
	_, whole = s.pieces(slow)
	same(t, whole, "01234"+strings.Repeat("s", 600_000))
	broken := s.answer(s.start("break", stream))
	same(t, broken.header["failure"].(object)["message"], "panic: half way")
}

func TestUploadsOfTwoCallsComeInTurns(t *testing.T) {
	s, _ := startShim(t, "echo", object{"concurrency": 8})
	left := map[string]int{}
	var held []part
	s.onCall = func(call part) {
		held = append(held, call)
		if len(held) < 2 {
			return
		}
		for _, one := range []part{held[1], held[0]} {
			left[one.nonce()]++
			if count := left[one.nonce()]; count <= 3 {
				s.reply(one, []byte(fmt.Sprintf("%s%d ", one.nonce()[31:], count)))
			} else {
				s.reply(one, nil)
			}
		}
		held = nil
	}
	upload := object{"mode": "http", "has_upload": true}
	a, b := s.start("", upload), s.start("", upload)
	for _, nonce := range []string{a, b} {
		name := nonce[31:]
		same(t, string(s.answer(nonce).body), name+"1 "+name+"2 "+name+"3 ")
	}
}

func TestManyCallsAtOnce(t *testing.T) {
	s, _ := startShim(t, "gates", object{"concurrency": 100})
	var nonces []string
	for i := 0; i < 100; i++ {
		nonces = append(nonces, s.start(fmt.Sprintf(`{"do":"ask","with":%d}`, i), nil))
	}
	for i, nonce := range nonces {
		same(t, string(s.answer(nonce).body), fmt.Sprint(i))
	}
}

func TestTheEndOfTheRequestsIsTheEnd(t *testing.T) {
	for _, body := range []string{`{"wait":"a"}`, `{"do":"ask"}`} {
		s, _ := startShim(t, "gates", object{"concurrency": 8})
		isAsked := false
		s.onCall = func(part) { isAsked = true }
		nonce := s.start(body, nil)
		s.until(func() bool { return isAsked || len(s.frames[nonce]) > 0 })
		s.requests.Close()
		if err := s.command.Wait(); err != nil {
			t.Error(err)
		}
		same(t, s.read().kind, "end")
	}
}
