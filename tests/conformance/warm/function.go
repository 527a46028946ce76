package main

import (
	"os"
	"strconv"
)

var calls = 0

func handler(data map[string]interface{}, context map[string]interface{}) (interface{}, error) {
	kept := "none"
	if bytes, err := os.ReadFile("/tmp/kept"); err == nil {
		kept = string(bytes)
	}
	calls++
	err := os.WriteFile("/tmp/kept", []byte(strconv.Itoa(calls)), 0o600)
	return map[string]interface{}{"calls": calls, "kept": kept}, err
}
