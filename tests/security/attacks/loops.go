package main

import (
	"math/big"
	"os"
	"os/signal"
	"regexp"
	"strings"
	"syscall"
	"time"
)

func handler(data, context map[string]interface{}) (interface{}, error) {
	switch data["way"] {
	case "sync":
		for {
		}
	case "regex":
		for {
			regexp.MustCompile("(a+)+$").MatchString(strings.Repeat("a", 100000) + "b")
		}
	case "native":
		// More goroutines than there are processors, each in a loop.
		for i := 0; i < 64; i++ {
			go func() {
				for {
				}
			}()
		}
		select {}
	case "bigint":
		new(big.Int).Exp(big.NewInt(3), big.NewInt(1_000_000_000), nil)
	case "signals":
		signal.Ignore()
		for {
		}
	case "stop":
		syscall.Kill(os.Getpid(), syscall.SIGSTOP)
		time.Sleep(time.Hour)
	case "spin":
		seconds, _ := data["seconds"].(float64)
		until := time.Now().Add(time.Duration(seconds * float64(time.Second)))
		for time.Now().Before(until) {
		}
	}
	return data["way"], nil
}
