// Who a sandbox is, what it keeps, and what it sees.
package main

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"
)

var id = func() string {
	bytes := make([]byte, 16)
	_, _ = rand.Read(bytes)
	return hex.EncodeToString(bytes)
}()

type object = map[string]interface{}

var (
	kept  []object
	count int
)

func plant(word interface{}) interface{} {
	for _, folder := range []string{"/tmp", "/dev/shm"} {
		_ = os.WriteFile(folder+"/planted", []byte(fmt.Sprint(word)), 0o600)
	}
	for network, address := range map[string]string{"unix": "@planted", "tcp": "127.0.0.1:47113"} {
		if server, err := net.Listen(network, address); err == nil {
			defer server.Close()
		}
	}
	time.Sleep(1500 * time.Millisecond)
	return word
}

func connects(network, address string) bool {
	client, err := net.Dial(network, address)
	if err == nil {
		client.Close()
	}
	return err == nil
}

func look() []string {
	seen := []string{}
	for _, folder := range []string{"/tmp", "/dev/shm", "/var/tmp", "/run", "/proc"} {
		entries, _ := os.ReadDir(folder)
		for _, entry := range entries {
			line, _ := os.ReadFile("/proc/" + entry.Name() + "/cmdline")
			if strings.Contains(entry.Name()+string(line), "planted") {
				seen = append(seen, folder+"/"+entry.Name())
			}
		}
	}
	if connects("unix", "@planted") {
		seen = append(seen, "abstract socket")
	}
	if connects("tcp", "127.0.0.1:47113") {
		seen = append(seen, "port")
	}
	if name, _ := os.Hostname(); strings.Contains(name, "planted") {
		seen = append(seen, "hostname")
	}
	return seen
}

// spoil changes all that it was given, and keeps it.
func spoil(data, context object) object {
	headers, _ := context["headers"].(object)
	query, _ := context["query"].(object)
	earlier := 0
	for _, one := range kept {
		if one["word"] == data["word"] {
			earlier++
		}
	}
	view := object{"word": data["word"], "header": headers["x-word"], "query": query["word"], "earlier": earlier}
	kept = append(kept, data)
	data["word"] = "spoilt"
	for _, one := range []object{headers, query, context} {
		for name := range one {
			one[name] = "spoilt"
		}
	}
	return view
}

func handler(data, context map[string]interface{}) (interface{}, error) {
	switch data["way"] {
	case "plant":
		return plant(data["word"]), nil
	case "look":
		return look(), nil
	case "reuse":
		return spoil(data, context), nil
	case "sleep":
		time.Sleep(time.Duration(data["ms"].(float64)) * time.Millisecond)
		return os.Getenv("WORD"), nil
	case "throw":
		fmt.Println("about to")
		return nil, errors.New("as asked")
	case "count":
		count++
		file, _ := os.OpenFile("/tmp/count", os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		_, _ = file.WriteString("x")
		info, _ := file.Stat()
		_ = file.Close()
		fmt.Println("counted")
		return []int64{int64(count), info.Size()}, nil
	}
	return map[string]interface{}{"id": id, "word": os.Getenv("WORD")}, nil
}
