// What the shim is made of, as far as it can be replaced.
package main

import (
	"encoding/json"
	"net/http"
	"os"
	"runtime"
	"runtime/debug"
	"syscall"
	"time"
)

func patch() {
	os.Stdout, os.Stderr, os.Stdin = nil, nil, nil
	os.Args = nil
	os.Clearenv()
	time.Local = nil
	http.DefaultClient, http.DefaultTransport = nil, nil
	json.Unmarshal([]byte("{}"), &struct{}{})
	runtime.GOMAXPROCS(1)
	debug.SetGCPercent(-1)
	debug.SetMaxThreads(10000)
	_ = syscall.Close(0)
	_ = syscall.Close(1)
	_ = syscall.Close(2)
	_ = os.Chdir("/")
}

func handler(data, context map[string]interface{}) (interface{}, error) {
	if data["way"] == "patch" {
		patch()
	}
	return data["probe"], nil
}
