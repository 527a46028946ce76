//go:build go1.19

package main

import "runtime/debug"

// cloudboxLimitMemory has the collector work harder near this many bytes, rather than the process be killed beyond.
func cloudboxLimitMemory(bytes int64) {
	debug.SetMemoryLimit(bytes)
}
