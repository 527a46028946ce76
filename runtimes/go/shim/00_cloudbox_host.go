package main

import (
	"encoding/json"
	"fmt"
	"os"
	"sync"
	"syscall"
	"unsafe"
)

// Bounds of host calls, as the service has them: what goes beyond is held back here.
const (
	cloudboxMaxInFlight      = 64
	cloudboxMaxInFlightBytes = 8 << 20
	cloudboxMaxArgumentBytes = 1 << 20
	cloudboxPollIn           = 1
)

// cloudboxHostCallError is why a host call has no result; Code is for programs.
type cloudboxHostCallError struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

func (e *cloudboxHostCallError) Error() string { return e.Message }

func cloudboxNoCall(method string) error {
	why := "a host call can be made only while a handler runs, for the call that it runs for"
	return &cloudboxHostCallError{Code: "NO_CALL", Message: method + ": " + why}
}

// cloudboxHostOne is one host call.
type cloudboxHostOne struct {
	nonce, method string
	body          []byte
	isDone        bool
	value         json.RawMessage
	err           error
	// told is closed at its end, where several calls may run at once.
	told chan struct{}
}

func (c *cloudboxHostOne) settle(value json.RawMessage, err error) {
	if c.isDone {
		return
	}
	c.isDone, c.value, c.err = true, value, err
	if c.told != nil {
		close(c.told)
	}
}

// cloudboxHost is the host calls of the process. Replies come over the pipe of the requests, which nobody else reads
// while a handler runs: one of the goroutines that wait reads for all. At the end of the call all of them have left.
type cloudboxHost struct {
	lock      sync.Mutex
	changed   *sync.Cond
	wire      *cloudboxWire
	nonce     string
	isUsed    bool
	last      uint64
	bytes     int
	inFlight  map[uint64]*cloudboxHostOne
	waiting   []*cloudboxHostOne
	isReading bool
	// wake ends the wait of the goroutine that reads.
	wake [2]int
	// spare takes turns with the wire's inbox, in which the body of the request still is.
	spare []byte
	// running is the calls that may make host calls, where several may run at once: replies are read for them. nil elsewhere.
	running map[string]bool
}

var cloudboxHostCalls = &cloudboxHost{}

// begin has calls made for this exchange.
func (h *cloudboxHost) begin(wire *cloudboxWire, nonce string) {
	h.lock.Lock()
	defer h.lock.Unlock()
	h.wire, h.nonce, h.isUsed = wire, nonce, false
}

// end is for when the handler has returned: whoever still waits is told, and nobody reads any more.
func (h *cloudboxHost) end() {
	h.lock.Lock()
	defer h.lock.Unlock()
	h.nonce = ""
	if !h.isUsed {
		return
	}
	for _, one := range h.inFlight {
		one.settle(nil, cloudboxNoCall(one.method))
	}
	for _, one := range h.waiting {
		one.settle(nil, cloudboxNoCall(one.method))
	}
	h.inFlight, h.waiting, h.bytes = map[uint64]*cloudboxHostOne{}, nil, 0
	h.changed.Broadcast()
	if h.isReading {
		_, _ = syscall.Write(h.wake[1], []byte("."))
	}
	for h.isReading {
		h.changed.Wait()
	}
}

// prepare is for the first call of an exchange.
func (h *cloudboxHost) prepare() error {
	if h.isUsed {
		return nil
	}
	if h.changed == nil {
		if err := syscall.Pipe2(h.wake[:], syscall.O_CLOEXEC); err != nil {
			return err
		}
		h.changed = sync.NewCond(&h.lock)
		h.inFlight = map[uint64]*cloudboxHostOne{}
		h.spare = make([]byte, cloudboxInboxLen)
	}
	rest := copy(h.spare, h.wire.inbox[h.wire.start:h.wire.end])
	h.wire.inbox, h.spare = h.spare, h.wire.inbox
	h.wire.start, h.wire.end = 0, rest
	h.isUsed = true
	return nil
}

// call asks the service for a method, and waits for the result. Any goroutine may.
func (h *cloudboxHost) call(nonce, method string, arguments interface{}) (json.RawMessage, error) {
	body, err := cloudboxToJSON(arguments)
	if err != nil {
		return nil, fmt.Errorf("%s: the arguments can't be sent as JSON: %w", method, err)
	}
	if len(body) > cloudboxMaxArgumentBytes {
		why := fmt.Sprintf("%s: the arguments have %d bytes, the limit is %d", method, len(body), cloudboxMaxArgumentBytes)
		return nil, &cloudboxHostCallError{Code: "ARGUMENTS_TOO_LARGE", Message: why}
	}
	h.lock.Lock()
	defer h.lock.Unlock()
	if h.running != nil {
		return h.callBeside(nonce, method, body)
	}
	if nonce == "" || nonce != h.nonce {
		return nil, cloudboxNoCall(method)
	}
	if err := h.prepare(); err != nil {
		return nil, err
	}
	one := &cloudboxHostOne{nonce: nonce, method: method, body: body}
	h.waiting = append(h.waiting, one)
	h.sendSome()
	for !one.isDone {
		if h.isReading {
			h.changed.Wait()
		} else {
			h.lead()
		}
	}
	return one.value, one.err
}

func (h *cloudboxHost) sendSome() {
	for len(h.waiting) > 0 && len(h.inFlight) < cloudboxMaxInFlight {
		one := h.waiting[0]
		if h.bytes+len(one.body) > cloudboxMaxInFlightBytes {
			return
		}
		h.waiting = h.waiting[1:]
		h.last++
		header, _ := json.Marshal(map[string]interface{}{"nonce": one.nonce, "id": h.last, "method": one.method})
		if !h.wire.call(one.nonce, header, one.body) {
			one.settle(nil, cloudboxNoCall(one.method))
			continue
		}
		h.inFlight[h.last] = one
		h.bytes += len(one.body)
	}
}

// lead reads for all who wait, once; the lock is not held while it waits.
func (h *cloudboxHost) lead() {
	h.isReading = true
	h.lock.Unlock()
	isThere := h.wire.end > h.wire.start || cloudboxReadable(h.wire.requests, h.wake[0])
	var frame cloudboxFrame
	if isThere {
		frame = h.wire.read()
	}
	h.lock.Lock()
	h.isReading = false
	if isThere {
		h.take(frame)
	}
	h.sendSome()
	h.changed.Broadcast()
}

func (h *cloudboxHost) take(frame cloudboxFrame) {
	var head struct {
		Nonce string `json:"nonce"`
		ID    uint64 `json:"id"`
		OK    bool   `json:"ok"`
	}
	if frame.kind != cloudboxReplyKind || json.Unmarshal(frame.header, &head) != nil {
		return
	}
	one := h.inFlight[head.ID]
	if one == nil || one.nonce != head.Nonce {
		return
	}
	delete(h.inFlight, head.ID)
	h.bytes -= len(one.body)
	if head.OK {
		one.settle(append(json.RawMessage(nil), frame.body...), nil)
		return
	}
	failed := &cloudboxHostCallError{}
	_ = json.Unmarshal(frame.body, failed)
	one.settle(nil, failed)
}

// cloudboxReadable waits until there is something to read; false where it was woken up instead.
func cloudboxReadable(requests, wake int) bool {
	type pollFD struct {
		fd              int32
		events, revents int16
	}
	for {
		polled := [2]pollFD{{fd: int32(requests), events: cloudboxPollIn}, {fd: int32(wake), events: cloudboxPollIn}}
		_, _, errno := syscall.Syscall6(syscall.SYS_PPOLL, uintptr(unsafe.Pointer(&polled[0])), 2, 0, 0, 0, 0)
		if errno == syscall.EINTR {
			continue
		}
		if errno != 0 {
			fmt.Fprintf(os.Stderr, "cloudbox: waiting for a reply: %v\n", errno)
			os.Exit(70)
		}
		if polled[1].revents != 0 {
			var mark [1]byte
			_, _ = syscall.Read(wake, mark[:])
			return false
		}
		return true
	}
}

// cloudboxHostCall is `hostCall` of the context: the result as any JSON value.
func cloudboxHostCall(nonce string) func(method string, arguments interface{}) (interface{}, error) {
	return func(method string, arguments interface{}) (interface{}, error) {
		text, err := cloudboxHostCalls.call(nonce, method, arguments)
		if err != nil || len(text) == 0 {
			return nil, err
		}
		var value interface{}
		err = json.Unmarshal(text, &value)
		return value, err
	}
}
