package main

import (
	"runtime"
	"strings"
	"time"
)

const (
	// cloudboxPatience is how often goroutines are counted again before one counts as left.
	cloudboxPatience = 20
	// cloudboxYields is how many of these only let the others run; after them there is a pause between.
	cloudboxYields = 10
	cloudboxBreak  = 200 * time.Microsecond
	// cloudboxProfileLen bounds the text in which goroutines are looked at one by one.
	cloudboxProfileLen = 1 << 20
)

// cloudboxIdle is what the standard library keeps between calls: the two goroutines of an open connection to a server, and
// the one that hands out signals.
var cloudboxIdle = []string{
	"\ncreated by net/http.(*Transport).",
	"\ncreated by net/http.(*http2",
	"\ncreated by net/http/internal/http2.",
	"\ncreated by golang.org/x/net/http2.",
	"\ncreated by os/signal.",
}

// cloudboxAccepted is how many goroutines there were when the code had been loaded: they are the function's own choice.
var cloudboxAccepted int

// cloudboxSurvivors is what a call leaves running beyond so many, as the field of its answer. Timers can't be counted in Go;
// a sandbox without calls is frozen all the same.
func cloudboxSurvivors(accepted int) []string {
	if runtime.NumGoroutine() <= accepted {
		return nil
	}
	// What was told to end a moment ago is gone in another.
	for i := 0; i < cloudboxPatience; i++ {
		if i < cloudboxYields {
			runtime.Gosched()
		} else {
			time.Sleep(cloudboxBreak)
		}
		if runtime.NumGoroutine() <= accepted || i == cloudboxYields && cloudboxAuthors() <= accepted {
			return nil
		}
	}
	if cloudboxAuthors() <= accepted {
		return nil
	}
	return []string{"goroutine"}
}

// cloudboxAuthors is how many goroutines there are without those of the standard library's own.
func cloudboxAuthors() int {
	profile := make([]byte, cloudboxProfileLen)
	stacks := strings.Split(string(profile[:runtime.Stack(profile, true)]), "\n\n")
	count := 0
	for _, stack := range stacks {
		isIdle := false
		for _, mark := range cloudboxIdle {
			isIdle = isIdle || strings.Contains(stack, mark)
		}
		if !isIdle {
			count++
		}
	}
	return count
}
