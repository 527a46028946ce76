package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"runtime"
	"testing"
	"time"
)

// left is what a call of this body leaves.
func left(body func()) []string {
	cloudboxAccepted = runtime.NumGoroutine()
	body()
	return cloudboxSurvivors(cloudboxAccepted)
}

// settle waits until what was told to end, by other tests too, has ended.
func settle() {
	for count := -1; count != runtime.NumGoroutine(); time.Sleep(50 * time.Millisecond) {
		count = runtime.NumGoroutine()
	}
}

// within is whether it becomes so: a machine that is busy lets a goroutine wait for longer than is waited for it.
func within(isSo func() bool) bool {
	for i := 0; i < 500; i++ {
		if isSo() {
			return true
		}
		time.Sleep(10 * time.Millisecond)
	}
	return false
}

func TestGoroutinesThatAreLeftAreTold(t *testing.T) {
	settle()
	stop := make(chan struct{})
	defer close(stop)
	for name, body := range map[string]func(){
		"waits":  func() { go func() { <-stop }() },
		"sleeps": func() { go time.Sleep(time.Minute) },
		"spins": func() {
			go func() {
				for {
					select {
					case <-stop:
						return
					default:
					}
				}
			}()
		},
	} {
		if told := left(body); !reflect.DeepEqual(told, []string{"goroutine"}) {
			t.Errorf("%s: %v", name, told)
		}
	}
}

func TestGoroutinesThatEndAndThoseOfTheLibraryAreNot(t *testing.T) {
	settle()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hi") }))
	defer server.Close()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	get := func() {
		answer, err := (&http.Client{Transport: transport}).Get(server.URL)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, answer.Body)
		answer.Body.Close()
	}
	for name, body := range map[string]func(){
		"nothing":    func() {},
		"ended":      func() { go func() {}() },
		"soon ended": func() { go time.Sleep(300 * time.Microsecond) },
		"many": func() {
			for i := 0; i < 100; i++ {
				go func() {}()
			}
		},
		"a timer": func() { time.AfterFunc(time.Hour, func() {}) },
	} {
		if told := left(body); told != nil && !within(func() bool { return left(body) == nil }) {
			t.Errorf("%s: %v", name, told)
		}
	}
	settle()
	// The server's goroutine for the connection is the author's; the client's two are not.
	before := cloudboxAuthors()
	get()
	if !within(func() bool { return cloudboxAuthors() == before+1 && runtime.NumGoroutine() >= before+3 }) {
		t.Errorf("%d goroutines of %d, before %d", cloudboxAuthors(), runtime.NumGoroutine(), before)
	}
}

func BenchmarkSurvivors(b *testing.B) {
	cloudboxAccepted = runtime.NumGoroutine()
	for i := 0; i < b.N; i++ {
		_ = cloudboxSurvivors(cloudboxAccepted)
	}
}
