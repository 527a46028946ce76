package main

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// service is the other end of the shim's pipes.
type service struct {
	t        *testing.T
	host     *cloudboxHost
	requests *os.File
	answers  *os.File
}

func withHost(t *testing.T) *service {
	t.Helper()
	requestsOut, requestsIn, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	answersOut, answersIn, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	wire := &cloudboxWire{requests: int(requestsOut.Fd()), answers: int(answersIn.Fd()), inbox: make([]byte, cloudboxInboxLen)}
	before := runtime.NumGoroutine()
	t.Cleanup(func() {
		// Other tests count goroutines.
		for i := 0; i < 10_000 && runtime.NumGoroutine() > before; i++ {
			time.Sleep(time.Millisecond)
		}
		for _, file := range []*os.File{requestsOut, requestsIn, answersOut, answersIn} {
			file.Close()
		}
	})
	s := &service{t: t, host: &cloudboxHost{}, requests: requestsIn, answers: answersOut}
	s.begin(wire, "n")
	return s
}

func (s *service) begin(wire *cloudboxWire, nonce string) {
	wire.begin(nonce)
	s.host.begin(wire, nonce)
}

// read gives the next call's id, method and arguments.
func (s *service) read() (uint64, string, []byte) {
	prefix := make([]byte, cloudboxPrefixLen)
	if _, err := io.ReadFull(s.answers, prefix); err != nil {
		s.t.Error(err)
	}
	header := make([]byte, binary.BigEndian.Uint32(prefix[1:]))
	body := make([]byte, binary.BigEndian.Uint32(prefix[5:]))
	_, _ = io.ReadFull(s.answers, header)
	_, _ = io.ReadFull(s.answers, body)
	var head struct {
		Nonce, Method string
		ID            uint64
	}
	if prefix[0] != cloudboxCall || json.Unmarshal(header, &head) != nil || head.Nonce != "n" {
		s.t.Errorf("kind %d, %s", prefix[0], header)
	}
	return head.ID, head.Method, body
}

func (s *service) reply(id uint64, isOK bool, body []byte) {
	header, _ := json.Marshal(map[string]interface{}{"nonce": "n", "id": id, "ok": isOK})
	if _, err := s.requests.Write(cloudboxEncode(cloudboxReplyKind, header, body)); err != nil {
		s.t.Error(err)
	}
}

func TestHostCallsAreAnsweredInAnyOrder(t *testing.T) {
	s := withHost(t)
	const count = 300
	go func() {
		type call struct {
			id   uint64
			body []byte
		}
		var held []call
		for i := 0; i < count; i++ {
			id, _, body := s.read()
			held = append(held, call{id, body})
			// As many as the shim sends at once; the last ones are fewer.
			if len(held) == cloudboxMaxInFlight || i >= count-count%cloudboxMaxInFlight {
				for j := len(held) - 1; j >= 0; j-- {
					s.reply(held[j].id, true, held[j].body)
				}
				held = nil
			}
		}
	}()
	var group sync.WaitGroup
	for i := 0; i < count; i++ {
		group.Add(1)
		go func(number int) {
			defer group.Done()
			text, err := s.host.call("n", "echo", number)
			var got int
			if json.Unmarshal(text, &got); err != nil || got != number {
				t.Errorf("%d: %s %v", number, text, err)
			}
		}(i)
	}
	group.Wait()
}

func TestAHostCallsResultIsLargeOrAnError(t *testing.T) {
	s := withHost(t)
	go func() {
		id, _, _ := s.read()
		s.reply(id, true, []byte(`"`+strings.Repeat("x", 3<<20)+`"`))
		id, _, _ = s.read()
		s.reply(id, false, []byte(`{"code":"NO","message":"not so"}`))
	}()
	if text, err := s.host.call("n", "large", nil); err != nil || len(text) != 3<<20+2 {
		t.Error(len(text), err)
	}
	var failed *cloudboxHostCallError
	if _, err := s.host.call("n", "bad", nil); !errors.As(err, &failed) || failed.Code != "NO" || err.Error() != "not so" {
		t.Error(err)
	}
	if _, err := s.host.call("n", "echo", strings.Repeat("x", 1<<20)); !errors.As(err, &failed) || failed.Code != "ARGUMENTS_TOO_LARGE" {
		t.Error(err)
	}
}

func TestTheEndTellsWhoeverWaits(t *testing.T) {
	s := withHost(t)
	told := make(chan error, 3)
	for i := 0; i < 3; i++ {
		go func() {
			_, err := s.host.call("n", "never", nil)
			told <- err
		}()
	}
	for i := 0; i < 3; i++ {
		s.read()
	}
	s.host.end()
	for i := 0; i < 3; i++ {
		var failed *cloudboxHostCallError
		if err := <-told; !errors.As(err, &failed) || failed.Code != "NO_CALL" {
			t.Error(err)
		}
	}
	if _, err := s.host.call("n", "echo", nil); err == nil {
		t.Error("a call after the end")
	}
	// The next exchange has its own.
	s.begin(s.host.wire, "n")
	go func() {
		id, _, body := s.read()
		s.reply(1, true, []byte("0"))
		s.reply(id, true, body)
	}()
	if text, err := s.host.call("n", "echo", 7); err != nil || string(text) != "7" {
		t.Error(string(text), err)
	}
}
