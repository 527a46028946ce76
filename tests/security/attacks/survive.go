// What a call may leave running. Each says its word again and again, and writes it down.
package main

import (
	"fmt"
	"os"
	"os/exec"
	"sync/atomic"
	"syscall"
	"time"
)

func say(word string) {
	for {
		_ = os.WriteFile("/tmp/left", []byte("x"), 0o600)
		fmt.Println(word)
		time.Sleep(time.Millisecond)
	}
}

// itself is this program, which waits for requests that never come.
func itself(attributes *syscall.SysProcAttr) {
	from, _, _ := os.Pipe()
	command := exec.Command("/workspace/function")
	command.Stdin, command.SysProcAttr = from, attributes
	_ = command.Start()
}

var ways = map[string]func(word string){
	"a goroutine":    func(word string) { go say(word) },
	"one that waits": func(string) { go func() { select {} }() },
	"one that spins": func(string) {
		go func() {
			for {
			}
		}()
	},
	"a child":  func(string) { itself(nil) },
	"a daemon": func(string) { itself(&syscall.SysProcAttr{Setsid: true}) },
}

var ticks int64

func init() {
	if os.Getenv("TICKS") != "" {
		go func() {
			for {
				atomic.AddInt64(&ticks, 1)
				time.Sleep(time.Millisecond)
			}
		}()
	}
}

func handler(data, context map[string]interface{}) (interface{}, error) {
	way, hasWay := data["way"].(string)
	if way == "ways" {
		names := []string{}
		for name := range ways {
			names = append(names, name)
		}
		return names, nil
	}
	if way == "ticks" {
		return atomic.LoadInt64(&ticks), nil
	}
	if hasWay {
		ways[way](data["word"].(string))
	} else if _, err := os.Stat("/tmp/left"); err == nil {
		return "left", nil
	}
	return data["word"], nil
}
