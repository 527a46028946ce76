// The shim for Go 1.18 and later, compiled together with a function's code: see ../../PROTOCOL.md.
//
// All names begin with `cloudbox`, since they share a package with the author's. The files' names sort before the
// author's, so that the variables here are set before any code of theirs runs.
package main

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"syscall"
)

// The numbers of the kinds on the wire.
const (
	cloudboxHello     = 1
	cloudboxLoad      = 2
	cloudboxLoaded    = 3
	cloudboxInvoke    = 4
	cloudboxResult    = 5
	cloudboxFailure   = 6
	cloudboxLog       = 7
	cloudboxCall      = 8
	cloudboxReplyKind = 9
	cloudboxChunk     = 10
	cloudboxTaken     = 11
)

const (
	cloudboxPrefixLen     = 9
	cloudboxInboxLen      = 64 << 10
	cloudboxFDupFDCloexec = 1030
)

// cloudboxFrame is one frame; its parts are valid until the next read.
type cloudboxFrame struct {
	kind   byte
	header []byte
	body   []byte
}

// cloudboxWire is the shim's end of the two pipes. Reads block: the goroutine that calls the handler has nothing else
// to do between two calls.
type cloudboxWire struct {
	requests, answers int
	inbox             []byte
	start, end        int
	// sending has frames go out one after the other: goroutines of a call may log while it is answered.
	sending sync.Mutex
	// running is the nonce of the call that was not answered yet.
	running string
	// several is where several calls may run at once; nil elsewhere.
	several *cloudboxSeveral
}

// cloudboxEncode is a frame as bytes.
func cloudboxEncode(kind byte, header, body []byte) []byte {
	frame := make([]byte, cloudboxPrefixLen, cloudboxPrefixLen+len(header)+len(body))
	frame[0] = kind
	binary.BigEndian.PutUint32(frame[1:], uint32(len(header)))
	binary.BigEndian.PutUint32(frame[5:], uint32(len(body)))
	return append(append(frame, header...), body...)
}

// begin has log lines of this call go out.
func (w *cloudboxWire) begin(nonce string) {
	w.sending.Lock()
	defer w.sending.Unlock()
	w.running = nonce
}

// send writes an answer; no log line of the call comes after it.
func (w *cloudboxWire) send(kind byte, header, body []byte) {
	w.sending.Lock()
	defer w.sending.Unlock()
	w.running = ""
	w.write(kind, header, body)
}

// log writes a log line of the call that runs; one of a call that was answered is lost.
func (w *cloudboxWire) log(nonce string, header []byte) {
	w.sending.Lock()
	defer w.sending.Unlock()
	if w.isRunning(nonce) {
		w.write(cloudboxLog, header, nil)
	}
}

// call writes a host call of the call that runs; whether it is the one that runs.
func (w *cloudboxWire) call(nonce string, header, body []byte) bool {
	w.sending.Lock()
	defer w.sending.Unlock()
	if !w.isRunning(nonce) {
		return false
	}
	w.write(cloudboxCall, header, body)
	return true
}

// beginStream writes the head of an answer of the call that runs, whose body follows in pieces.
func (w *cloudboxWire) beginStream(head *cloudboxInvokeHead, header []byte) {
	w.sending.Lock()
	defer w.sending.Unlock()
	if w.isRunning(head.Nonce) {
		head.isStreaming = true
		w.write(cloudboxResult, header, nil)
	}
}

// piece writes a piece of the answer of the call that runs.
func (w *cloudboxWire) piece(nonce string, header, body []byte) {
	w.sending.Lock()
	defer w.sending.Unlock()
	if w.several != nil {
		w.several.waitForRoom(nonce)
	}
	if w.isRunning(nonce) {
		w.write(cloudboxChunk, header, body)
	}
}

// isRunning is whether a call was not answered yet; `sending` is held.
func (w *cloudboxWire) isRunning(nonce string) bool {
	if w.several != nil {
		return w.several.running[nonce] != nil
	}
	return nonce == w.running
}

// write writes a frame in one piece. Where nobody reads any more the process has no purpose.
func (w *cloudboxWire) write(kind byte, header, body []byte) {
	rest := cloudboxEncode(kind, header, body)
	for len(rest) > 0 {
		n, err := syscall.Write(w.answers, rest)
		if err == syscall.EINTR {
			continue
		}
		if err == syscall.EAGAIN {
			cloudboxPause()
			continue
		}
		if err != nil {
			os.Exit(1)
		}
		rest = rest[n:]
	}
}

// cloudboxPause is what to do where a descriptor was made non-blocking behind our back.
func cloudboxPause() {
	pause := syscall.Timespec{Nsec: 1_000_000}
	_ = syscall.Nanosleep(&pause, nil)
}

// some reads at least one byte; it ends the process at the end of the stream.
func (w *cloudboxWire) some(into []byte) int {
	if w.several != nil && w.several.requests != nil {
		return w.several.some(into)
	}
	for {
		n, err := syscall.Read(w.requests, into)
		switch {
		case err == syscall.EINTR:
		case err == syscall.EAGAIN:
			cloudboxPause()
		case err != nil || n == 0:
			os.Exit(0)
		default:
			return n
		}
	}
}

// take gives the next n bytes: of the inbox where they fit, else of their own.
func (w *cloudboxWire) take(n int) []byte {
	if n > len(w.inbox) {
		own := make([]byte, n)
		have := copy(own, w.inbox[w.start:w.end])
		w.start, w.end = 0, 0
		for have < n {
			have += w.some(own[have:])
		}
		return own
	}
	if w.start == w.end {
		w.start, w.end = 0, 0
	} else if w.start+n > len(w.inbox) {
		w.end = copy(w.inbox, w.inbox[w.start:w.end])
		w.start = 0
	}
	for w.end-w.start < n {
		w.end += w.some(w.inbox[w.end:])
	}
	w.start += n
	return w.inbox[w.start-n : w.start]
}

// read waits for a frame.
func (w *cloudboxWire) read() cloudboxFrame {
	prefix := w.take(cloudboxPrefixLen)
	kind := prefix[0]
	headerLen := int(binary.BigEndian.Uint32(prefix[1:]))
	bytes := w.take(headerLen + int(binary.BigEndian.Uint32(prefix[5:])))
	return cloudboxFrame{kind: kind, header: bytes[:headerLen], body: bytes[headerLen:]}
}

// cloudboxDup moves a descriptor out of the way, closed in programs that the author starts. A process begins with room for
// 64 descriptors. To make room for more, the kernel has a process with threads wait until no CPU looks at the old table any
// more: 5 to 20 ms of a first call.
func cloudboxDup(fd int) int {
	moved, _, errno := syscall.Syscall(syscall.SYS_FCNTL, uintptr(fd), cloudboxFDupFDCloexec, 60)
	if errno != 0 {
		cloudboxDie(fmt.Sprintf("moving descriptor %d", fd), errno)
	}
	return int(moved)
}

func cloudboxDie(what string, err error) {
	fmt.Fprintf(os.Stderr, "cloudbox: %s: %v\n", what, err)
	os.Exit(70)
}

// cloudboxTakeDescriptors moves the pipes off descriptors 0 and 1: 0 becomes /dev/null, 1 the log pipe.
func cloudboxTakeDescriptors() *cloudboxWire {
	wire := &cloudboxWire{requests: cloudboxDup(0), answers: cloudboxDup(1), inbox: make([]byte, cloudboxInboxLen)}
	null, err := syscall.Open("/dev/null", syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		cloudboxDie("opening /dev/null", err)
	}
	if err := syscall.Dup3(null, 0, 0); err != nil {
		cloudboxDie("replacing stdin", err)
	}
	_ = syscall.Close(null)
	if err := syscall.Dup3(2, 1, 0); err != nil {
		cloudboxDie("replacing stdout", err)
	}
	return wire
}

// cloudboxLoadHead is the header of a `load` frame.
type cloudboxLoadHead struct {
	Nonce        string            `json:"nonce"`
	CodeDir      string            `json:"code_dir"`
	EntryPoint   string            `json:"entry_point"`
	HandlerStyle string            `json:"handler_style"`
	Concurrency  int               `json:"concurrency"`
	Env          map[string]string `json:"env"`
	Function     struct {
		ID        int64  `json:"id"`
		Name      string `json:"name"`
		ProjectID int64  `json:"project_id"`
		Version   int64  `json:"version"`
		MemoryMB  int64  `json:"memory_mb"`
	} `json:"function"`
}

// cloudboxKept are variables of the sandbox; all others are the function's own.
var cloudboxKept = []string{"PATH", "HOME", "TMPDIR", "USER", "LANG", "LC_ALL", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR"}

// cloudboxTune fits the language's runtime to the sandbox, where its own variables don't say how.
func cloudboxTune(megabytes int64) {
	if os.Getenv("GOMEMLIMIT") == "" && megabytes > 0 {
		cloudboxLimitMemory(megabytes << 20 / 10 * 9)
	}
	// A share of a few cores on a machine with many: more threads would only wait for each other.
	if os.Getenv("GOMAXPROCS") == "" && runtime.GOMAXPROCS(0) > 4 {
		runtime.GOMAXPROCS(4)
	}
}

// cloudboxStart says hello and waits for `load`, before the author's variables and init functions run: what they read
// from the environment is there by then.
func cloudboxStart() (*cloudboxWire, *cloudboxLoadHead) {
	if strings.HasSuffix(os.Args[0], ".test") {
		return nil, nil
	}
	return cloudboxBegin()
}

func cloudboxBegin() (*cloudboxWire, *cloudboxLoadHead) {
	wire := cloudboxTakeDescriptors()
	version := strings.TrimPrefix(runtime.Version(), "go")
	hello, _ := json.Marshal(map[string]interface{}{"protocol": 1, "runtime": "go", "version": version})
	wire.send(cloudboxHello, hello, nil)
	frame := wire.read()
	head := &cloudboxLoadHead{}
	if frame.kind != cloudboxLoad || json.Unmarshal(frame.header, head) != nil {
		fmt.Fprintf(os.Stderr, "cloudbox: a frame of kind %d in place of load\n", frame.kind)
		os.Exit(70)
	}
	cloudboxTune(head.Function.MemoryMB)
	kept := map[string]string{}
	for _, name := range cloudboxKept {
		if value, ok := os.LookupEnv(name); ok {
			kept[name] = value
		}
	}
	os.Clearenv()
	for _, variables := range []map[string]string{kept, head.Env} {
		for name, value := range variables {
			_ = os.Setenv(name, value)
		}
	}
	if err := os.Chdir(head.CodeDir); err != nil {
		cloudboxDie("entering the folder of the code", err)
	}
	return wire, head
}

var cloudboxPipes, cloudboxLoadedHead = cloudboxStart()
