package main

import (
	"os"
	"syscall"
)

func handler(data, context map[string]interface{}) (interface{}, error) {
	switch data["way"] {
	case "exit":
		os.Exit(3)
	case "signal":
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
	}
	return data["way"], nil
}
