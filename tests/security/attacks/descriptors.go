// The conversation's own descriptors: closed, replaced, made non-blocking, read by a thief, given to a program.
package main

import (
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// pipes are the requests and the answers: pipes beyond the usual three, by what can be done with them.
func pipes() (int, int) {
	requests, answers := -1, -1
	entries, _ := os.ReadDir("/proc/self/fd")
	for _, entry := range entries {
		fd, _ := strconv.Atoi(entry.Name())
		target, err := os.Readlink("/proc/self/fd/" + entry.Name())
		if fd < 3 || err != nil || !strings.HasPrefix(target, "pipe:") {
			continue
		}
		flags, _, _ := syscall.Syscall(syscall.SYS_FCNTL, uintptr(fd), syscall.F_GETFL, 0)
		if flags&syscall.O_ACCMODE == syscall.O_WRONLY {
			answers = fd
		} else {
			requests = fd
		}
	}
	return requests, answers
}

func steal(fd int) {
	bytes := make([]byte, 65536)
	for {
		count, _ := syscall.Read(fd, bytes)
		_ = os.WriteFile("/tmp/stolen", bytes[:count], 0o600)
	}
}

var ways = map[string]func(){
	"close all": func() {
		for fd := 3; fd < 1024; fd++ {
			_ = syscall.Close(fd)
		}
	},
	"close the answers":  func() { _, answers := pipes(); _ = syscall.Close(answers) },
	"close the requests": func() { requests, _ := pipes(); _ = syscall.Close(requests) },
	"replace": func() {
		null, _ := syscall.Open("/dev/null", syscall.O_RDWR, 0)
		requests, answers := pipes()
		_, _ = syscall.Dup3(null, requests, 0), syscall.Dup3(null, answers, 0)
	},
	"do not block": func() {
		requests, answers := pipes()
		_, _ = syscall.SetNonblock(requests, true), syscall.SetNonblock(answers, true)
	},
	"read the requests": func() {
		requests, _ := pipes()
		fd, _ := syscall.Open("/proc/self/fd/"+strconv.Itoa(requests), syscall.O_RDONLY|syscall.O_NONBLOCK, 0)
		_, _ = syscall.Read(fd, make([]byte, 1024))
	},
	"a thief": func() { requests, _ := pipes(); go steal(requests) },
	"another conversation": func() {
		requests, answers := pipes()
		command := exec.Command("/workspace/function")
		command.Stdin, command.Stdout = os.NewFile(uintptr(requests), "requests"), os.NewFile(uintptr(answers), "answers")
		_ = command.Start()
		time.Sleep(100 * time.Millisecond)
	},
	"become another": func() { _ = syscall.Exec("/workspace/function", []string{"function"}, nil) },
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
	if hasWay {
		ways[way]()
	}
	stolen, _ := os.ReadFile("/tmp/stolen")
	return map[string]interface{}{"word": data["word"], "stolen": string(stolen)}, nil
}
