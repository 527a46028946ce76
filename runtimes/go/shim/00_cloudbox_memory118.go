//go:build !go1.19

package main

// cloudboxLimitMemory does nothing: Go 1.18 knows no limit.
func cloudboxLimitMemory(int64) {}
