// What honest code does with sockets where there is no network but loopback. Each idiom is nil, or says what is wrong.
package main

import (
	"bufio"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/rpc"
	"syscall"
	"time"
)

// all is the first error, or one where a condition doesn't hold.
func all(holds bool, errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	if !holds {
		return fmt.Errorf("not as expected")
	}
	return nil
}

var echo = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.URL.Path) })

func get(client *http.Client, url string) (string, error) {
	answer, err := client.Get(url)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	return string(text), err
}

// line is what a server on this kind of network says to who connects.
func line(network, address string) error {
	server, err := net.Listen(network, address)
	if err != nil {
		return err
	}
	defer server.Close()
	go func() {
		if other, err := server.Accept(); err == nil {
			fmt.Fprintln(other, "hi")
			other.Close()
		}
	}()
	client, err := net.DialTimeout(network, server.Addr().String(), 5*time.Second)
	if err != nil {
		return err
	}
	defer client.Close()
	text, err := bufio.NewReader(client).ReadString('\n')
	return all(text == "hi\n", err)
}

// Sum is called by the idiom of remote procedures.
type Sum struct{}

// Add adds two numbers.
func (Sum) Add(numbers [2]int, sum *int) error {
	*sum = numbers[0] + numbers[1]
	return nil
}

var idioms = map[string]func() error{
	"TCP":                  func() error { return line("tcp", "127.0.0.1:0") },
	"a socket with a name": func() error { return line("unix", "/tmp/socket") },
	"UDP": func() error {
		socket, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		defer socket.Close()
		_, err = socket.WriteTo([]byte("hi"), socket.LocalAddr())
		bytes := make([]byte, 10)
		count, _, other := socket.ReadFrom(bytes)
		return all(string(bytes[:count]) == "hi", err, other)
	},
	"HTTP": func() error {
		server := httptest.NewServer(echo)
		defer server.Close()
		text, err := get(server.Client(), server.URL+"/a")
		return all(text == "/a", err)
	},
	"TLS and HTTP/2": func() error {
		server := httptest.NewUnstartedServer(echo)
		server.EnableHTTP2 = true
		server.StartTLS()
		defer server.Close()
		text, err := get(server.Client(), server.URL+"/a")
		return all(text == "/a", err)
	},
	"a pipe": func() error {
		one, other := net.Pipe()
		go fmt.Fprintln(one, "hi")
		text, err := bufio.NewReader(other).ReadString('\n')
		return all(text == "hi\n", err, one.Close(), other.Close())
	},
	"remote procedures": func() error {
		one, other := net.Pipe()
		server := rpc.NewServer()
		err := server.Register(Sum{})
		go server.ServeConn(one)
		client := rpc.NewClient(other)
		sum := 0
		return all(true, err, client.Call("Sum.Add", [2]int{40, 2}, &sum), client.Close(), all(sum == 42))
	},
	"a deadline": func() error {
		server, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		defer server.Close()
		err = server.(*net.TCPListener).SetDeadline(time.Now().Add(time.Millisecond))
		_, late := server.Accept()
		failed, isNet := late.(net.Error)
		return all(isNet && failed.Timeout(), err)
	},
	"localhost": func() error {
		addresses, err := net.LookupHost("localhost")
		return all(len(addresses) > 0, err, line("tcp", "localhost:0"))
	},
	"a port that is closed": func() error {
		_, err := net.DialTimeout("tcp", "127.0.0.1:1", 5*time.Second)
		return all(errors.Is(err, syscall.ECONNREFUSED))
	},
	"an address elsewhere": func() error {
		_, err := net.DialTimeout("tcp", "192.0.2.1:80", 5*time.Second)
		return all(err != nil && !err.(net.Error).Timeout())
	},
	"a name elsewhere": func() error {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_, err := net.DefaultResolver.LookupHost(ctx, "example.com")
		return all(err != nil && ctx.Err() == nil)
	},
	"a page elsewhere": func() error {
		_, err := get(&http.Client{Timeout: 5 * time.Second}, "https://example.com")
		return all(err != nil)
	},
	"certificates": func() error {
		pool, err := x509.SystemCertPool()
		return all(pool != nil && !pool.Equal(x509.NewCertPool()), err)
	},
}

func handler(data, context map[string]interface{}) (interface{}, error) {
	failed := map[string]string{}
	for name, idiom := range idioms {
		if err := attempt(idiom); err != nil {
			failed[name] = err.Error()
		}
	}
	return map[string]interface{}{"count": len(idioms), "failed": failed}, nil
}

func attempt(idiom func() error) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("panic: %v", cause)
		}
	}()
	return idiom()
}
