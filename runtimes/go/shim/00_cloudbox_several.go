package main

import (
	"encoding/json"
	"fmt"
	"os"
	"sync"
	"syscall"
)

// cloudboxWindow is how many pieces of an answer may be on their way.
const cloudboxWindow = 2

// cloudboxSeveral is for several calls at once: one goroutine reads all requests, and each call has a goroutine of its own.
// See "Several calls at once" in ../../PROTOCOL.md.
type cloudboxSeveral struct {
	wire    *cloudboxWire
	host    *cloudboxHost
	handler *cloudboxCallable
	// requests is a second opening of the pipe of the requests, for the language's poller: a read that blocks would keep the
	// goroutine that was begun last from a processor. nil where there is none.
	requests *os.File
	// running is the calls that were not answered yet, by their nonces; the wire's `sending` guards it.
	running map[string]*cloudboxRunning
	// begun is how many calls there were.
	begun uint64
}

// cloudboxRunning is one of them.
type cloudboxRunning struct {
	onWay int
	// changed is for who waits until a piece has gone on.
	changed *sync.Cond
}

// cloudboxServeSeveral answers calls as they come, until the requests end; `loaded` says that they may.
func cloudboxServeSeveral(handler *cloudboxCallable, wire *cloudboxWire, host *cloudboxHost, loaded []byte) {
	s := &cloudboxSeveral{wire: wire, host: host, handler: handler, running: map[string]*cloudboxRunning{}}
	fd, err := syscall.Open(fmt.Sprintf("/proc/self/fd/%d", wire.requests), syscall.O_RDONLY|syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
	if err == nil {
		s.requests = os.NewFile(uintptr(fd), "requests")
	}
	host.wire, host.inFlight, host.running = wire, map[uint64]*cloudboxHostOne{}, map[string]bool{}
	wire.several = s
	wire.send(cloudboxLoaded, loaded, nil)
	for {
		s.take(wire.read())
	}
}

// some reads at least one byte; it ends the process at the end of the stream.
func (s *cloudboxSeveral) some(into []byte) int {
	n, err := s.requests.Read(into)
	if n == 0 || err != nil {
		os.Exit(0)
	}
	return n
}

func (s *cloudboxSeveral) take(frame cloudboxFrame) {
	switch frame.kind {
	case cloudboxInvoke:
		head := &cloudboxInvokeHead{}
		if json.Unmarshal(frame.header, head) != nil {
			cloudboxOutOfTurn(frame.kind)
		}
		s.begin(head.Nonce)
		// A copy: what comes next takes its place.
		go s.run(head, append([]byte(nil), frame.body...))
	case cloudboxReplyKind:
		s.host.takeBeside(frame)
	case cloudboxTaken:
		var head struct {
			Nonce string `json:"nonce"`
		}
		_ = json.Unmarshal(frame.header, &head)
		s.taken(head.Nonce)
	default:
		cloudboxOutOfTurn(frame.kind)
	}
}

func (s *cloudboxSeveral) begin(nonce string) {
	s.wire.sending.Lock()
	s.begun++
	s.running[nonce] = &cloudboxRunning{changed: sync.NewCond(&s.wire.sending)}
	s.wire.sending.Unlock()
	s.host.lock.Lock()
	s.host.running[nonce] = true
	s.host.lock.Unlock()
}

// run calls the handler, and answers.
func (s *cloudboxSeveral) run(head *cloudboxInvokeHead, body []byte) {
	var reply *cloudboxReply
	fault := &cloudboxFault{Kind: "error", Message: "the handler has ended its goroutine with runtime.Goexit"}
	defer func() { s.answer(head, reply, fault) }()
	reply, fault = s.handler.call(head, body)
}

func (s *cloudboxSeveral) answer(head *cloudboxInvokeHead, reply *cloudboxReply, fault *cloudboxFault) {
	s.host.tellEnd(head.Nonce)
	var survivors []string
	begun, count := s.counts()
	if count == 1 {
		// Beside this goroutine there is the one that reads, which was there when the code had been loaded.
		survivors = cloudboxSurvivors(cloudboxAccepted + 1)
	}
	s.wire.sending.Lock()
	if s.begun != begun {
		// It may have been that call that was counted.
		survivors = nil
	}
	running := s.running[head.Nonce]
	delete(s.running, head.Nonce)
	s.wire.write(cloudboxFrameOf(head, reply, fault, survivors))
	s.wire.sending.Unlock()
	running.changed.Broadcast()
	s.host.free(head.Nonce)
}

// counts is how many calls have begun, and how many of them run.
func (s *cloudboxSeveral) counts() (uint64, int) {
	s.wire.sending.Lock()
	defer s.wire.sending.Unlock()
	return s.begun, len(s.running)
}

// waitForRoom waits until a piece of the call's answer may be sent, and counts it; the wire's `sending` is held, but not while it waits.
func (s *cloudboxSeveral) waitForRoom(nonce string) {
	running := s.running[nonce]
	for running != nil && running.onWay >= cloudboxWindow && s.running[nonce] == running {
		running.changed.Wait()
	}
	if running != nil {
		running.onWay++
	}
}

func (s *cloudboxSeveral) taken(nonce string) {
	s.wire.sending.Lock()
	defer s.wire.sending.Unlock()
	// The last pieces of an answer may go on when it is over.
	if running := s.running[nonce]; running != nil {
		running.onWay--
		running.changed.Broadcast()
	}
}

// callBeside asks the service, beside other calls; the lock is held, but not while it waits.
func (h *cloudboxHost) callBeside(nonce, method string, body []byte) (json.RawMessage, error) {
	if !h.running[nonce] {
		return nil, cloudboxNoCall(method)
	}
	one := &cloudboxHostOne{nonce: nonce, method: method, body: body, told: make(chan struct{})}
	h.waiting = append(h.waiting, one)
	h.sendSome()
	h.lock.Unlock()
	<-one.told
	h.lock.Lock()
	return one.value, one.err
}

func (h *cloudboxHost) takeBeside(frame cloudboxFrame) {
	h.lock.Lock()
	defer h.lock.Unlock()
	h.take(frame)
	h.sendSome()
}

// tellEnd is for when a handler has returned: whoever still waits is told. The service counts its calls until the answer.
func (h *cloudboxHost) tellEnd(nonce string) {
	h.lock.Lock()
	defer h.lock.Unlock()
	delete(h.running, nonce)
	for _, one := range h.inFlight {
		if one.nonce == nonce {
			one.settle(nil, cloudboxNoCall(one.method))
		}
	}
	var rest []*cloudboxHostOne
	for _, one := range h.waiting {
		if one.nonce == nonce {
			one.settle(nil, cloudboxNoCall(one.method))
		} else {
			rest = append(rest, one)
		}
	}
	h.waiting = rest
}

// free is for when a call is answered: its host calls count no longer.
func (h *cloudboxHost) free(nonce string) {
	h.lock.Lock()
	defer h.lock.Unlock()
	for id, one := range h.inFlight {
		if one.nonce == nonce {
			delete(h.inFlight, id)
			h.bytes -= len(one.body)
		}
	}
	h.sendSome()
}
