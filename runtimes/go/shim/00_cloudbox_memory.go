//go:build go1.19

package main

import (
	"os"
	"runtime/debug"
)

// cloudboxLimitMemory has the collector work harder near the sandbox's limit, rather than be killed there.
func cloudboxLimitMemory(megabytes int64) {
	if _, isSet := os.LookupEnv("GOMEMLIMIT"); !isSet && megabytes > 0 {
		debug.SetMemoryLimit(megabytes << 20 / 10 * 8)
	}
}
