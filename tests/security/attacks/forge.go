// Frames of the attacker's own making, on every pipe that can be found.
package main

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

var nonce = strings.Repeat("0", 32)

// pipes are descriptors beyond the usual three that something can be written to.
func pipes() []int {
	var found []int
	entries, _ := os.ReadDir("/proc/self/fd")
	for _, entry := range entries {
		fd, _ := strconv.Atoi(entry.Name())
		target, err := os.Readlink("/proc/self/fd/" + entry.Name())
		info, other := os.ReadFile("/proc/self/fdinfo/" + entry.Name())
		if fd < 3 || err != nil || other != nil || !strings.HasPrefix(target, "pipe:") {
			continue
		}
		flags, _ := strconv.ParseInt(strings.Fields(strings.SplitN(string(info), "flags:", 2)[1])[0], 8, 64)
		if flags&3 == 1 {
			found = append(found, fd)
		}
	}
	return found
}

func frame(kind byte) []byte {
	header := []byte(fmt.Sprintf(`{"nonce":%q,"status":200,"headers":[]}`, nonce))
	body := []byte(`"forged"`)
	prefix := make([]byte, 9)
	prefix[0] = kind
	binary.BigEndian.PutUint32(prefix[1:], uint32(len(header)))
	binary.BigEndian.PutUint32(prefix[5:], uint32(len(body)))
	return append(append(prefix, header...), body...)
}

func write(data []byte) {
	for _, fd := range pipes() {
		_, _ = syscall.Write(fd, data)
	}
}

func noise() []byte {
	bytes := make([]byte, 4096)
	_, _ = rand.Read(bytes)
	return bytes
}

var ways = map[string]func(){
	"a foreign nonce":     func() { write(frame(5)) },
	"two frames":          func() { write(bytes.Repeat(frame(5), 2)) },
	"half a frame":        func() { write(frame(5)[:20]) },
	"an endless header":   func() { write([]byte{5, 255, 255, 255, 255, 255, 255, 255, 255}) },
	"a frame out of turn": func() { write(frame(3)) },
	"an unknown kind":     func() { write(frame(99)) },
	"noise":               func() { write(noise()) },
	"a frame after the answer": func() {
		go func() {
			time.Sleep(2 * time.Millisecond)
			for i := 0; i < 100; i++ {
				write(frame(5))
			}
		}()
	},
	"a frame at any time": func() {
		time.AfterFunc(time.Millisecond, func() {
			for {
				write(frame(5))
				time.Sleep(time.Millisecond)
			}
		})
	},
	"a frame from a child": func() {
		fds := pipes()
		command := exec.Command("/workspace/function")
		// It says hello on the pipe for answers, and waits for the end of its requests.
		command.Stdin, _ = os.Open("/dev/zero")
		command.Stdout = os.NewFile(uintptr(fds[len(fds)-1]), "answers")
		_ = command.Start()
		time.Sleep(50 * time.Millisecond)
	},
	"a frame in the logs": func() { _, _ = os.Stdout.Write(frame(5)); _, _ = os.Stderr.Write(frame(5)) },
}

func handler(data, context map[string]interface{}) (interface{}, error) {
	way, hasWay := data["way"].(string)
	if way == "ways" {
		names := []string{}
		for name := range ways {
			names = append(names, name)
		}
		return names, nil
	}
	if hasWay {
		ways[way]()
	}
	return data["word"], nil
}
