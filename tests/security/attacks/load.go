// What code may try while it is loaded.
package main

import (
	"bytes"
	"encoding/base64"
	"os"
	"strconv"
	"strings"
	"syscall"
)

var loaded, _ = base64.StdEncoding.DecodeString("AwAAAEAAAAAAeyJub25jZSI6IjAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwIiwiaGFuZGxlcl9zdHlsZSI6IngifQ==")

func everyPipe(work func(fd int)) {
	entries, _ := os.ReadDir("/proc/self/fd")
	for _, entry := range entries {
		fd, _ := strconv.Atoi(entry.Name())
		target, _ := os.Readlink("/proc/self/fd/" + entry.Name())
		if fd > 2 && strings.HasPrefix(target, "pipe:") {
			work(fd)
		}
	}
}

func init() {
	switch os.Getenv("WAY") {
	case "throws":
		panic("at load")
	case "exits":
		os.Exit(0)
	case "is killed":
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	case "says loaded":
		everyPipe(func(fd int) { _, _ = syscall.Write(fd, loaded) })
	case "says noise":
		everyPipe(func(fd int) { _, _ = syscall.Write(fd, bytes.Repeat([]byte{255}, 100)) })
	case "closes all":
		everyPipe(func(fd int) { _ = syscall.Close(fd) })
	case "eats memory":
		for kept := [][]byte{}; ; {
			kept = append(kept, bytes.Repeat([]byte{1}, 1<<20))
		}
	case "has no handler":
		cloudboxHandler = nil
	}
}

func handler(data, context map[string]interface{}) (interface{}, error) {
	return data["word"], nil
}
