package main

import (
	"os"
	"runtime"
	"runtime/debug"
	"syscall"
	"time"
)

func signal(number syscall.Signal) func() {
	return func() {
		_ = syscall.Kill(syscall.Getpid(), number)
		time.Sleep(time.Hour)
	}
}

func deep(n int) int { return deep(n+1) + 1 }

var nothing *int

var ways = map[string]func(){
	"exit 0":       func() { os.Exit(0) },
	"exit 3":       func() { os.Exit(3) },
	"exit at once": func() { _, _, _ = syscall.RawSyscall(syscall.SYS_EXIT_GROUP, 5, 0, 0) },
	"killed":       signal(syscall.SIGKILL),
	"terminated":   signal(syscall.SIGTERM),
	"abort":        signal(syscall.SIGABRT),
	"panic of a goroutine": func() {
		go func() { panic("elsewhere") }()
		time.Sleep(time.Hour)
	},
	"fault of a goroutine": func() {
		go func() { *nothing = 1 }()
		time.Sleep(time.Hour)
	},
	"too deep a recursion": func() {
		debug.SetMaxStack(1 << 20)
		deep(0)
	},
	"the end of the goroutine": runtime.Goexit,
	"a deadlock":               func() { select {} },
	"a map for two": func() {
		shared := map[int]int{}
		for i := 0; i < 2; i++ {
			go func() {
				for n := 0; ; n++ {
					shared[n%8] = n
				}
			}()
		}
		time.Sleep(time.Hour)
	},
}

func handler(data, context map[string]interface{}) (interface{}, error) {
	way := data["way"].(string)
	if way == "ways" {
		names := []string{}
		for name := range ways {
			names = append(names, name)
		}
		return names, nil
	}
	if way != "none" {
		ways[way]()
	}
	return way, nil
}
