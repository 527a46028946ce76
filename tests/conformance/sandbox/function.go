package main

import (
	"net"
	"os"
	"time"
)

func writes(path string) bool {
	return os.WriteFile(path, []byte("x"), 0o600) == nil
}

func reachesOut() bool {
	_, err := net.DialTimeout("tcp", "192.0.2.1:80", 500*time.Millisecond)
	if late, is := err.(net.Error); is && late.Timeout() {
		return true
	}
	return err == nil
}

func handler(data map[string]interface{}, context map[string]interface{}) (interface{}, error) {
	folder, err := os.Getwd()
	return map[string]interface{}{
		"is_root":     os.Getuid() == 0,
		"folder":      folder,
		"writes_code": writes("/workspace/x"),
		"writes_root": writes("/x"),
		"writes_tmp":  writes("/tmp/x"),
		"reaches_out": reachesOut(),
	}, err
}
