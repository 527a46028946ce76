// A reader of bodies that come piece by piece, and the ways to read them that nobody should take.
package main

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// openRequests is what the requests come through, opened to be written to.
func openRequests() int {
	entries, _ := os.ReadDir("/proc/self/fd")
	for _, entry := range entries {
		fd, _ := strconv.Atoi(entry.Name())
		target, err := os.Readlink("/proc/self/fd/" + entry.Name())
		info, other := os.ReadFile("/proc/self/fdinfo/" + entry.Name())
		if fd < 3 || err != nil || other != nil || !strings.HasPrefix(target, "pipe:") {
			continue
		}
		flags, _ := strconv.ParseInt(strings.Fields(strings.SplitN(string(info), "flags:", 2)[1])[0], 8, 64)
		if flags&3 == 0 {
			opened, _ := syscall.Open("/proc/self/fd/"+entry.Name(), syscall.O_WRONLY|syscall.O_NONBLOCK, 0)
			return opened
		}
	}
	return -1
}

func frame(kind byte, id int) []byte {
	header := []byte(fmt.Sprintf(`{"nonce":"%032d","id":%d,"ok":true}`, 0, id))
	prefix := make([]byte, 9)
	prefix[0] = kind
	binary.BigEndian.PutUint32(prefix[1:], uint32(len(header)))
	binary.BigEndian.PutUint32(prefix[5:], 6)
	return append(append(prefix, header...), "forged"...)
}

func all(r *http.Request) string {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(err)
	}
	first := body
	if len(first) > 32 {
		first = first[:32]
	}
	return fmt.Sprintf("%d %s", len(body), first)
}

// readers reads from many goroutines, each to the end.
func readers(r *http.Request) *sync.WaitGroup {
	nonce, group := r.Body.(*cloudboxUpload).nonce, &sync.WaitGroup{}
	for i := 0; i < 20; i++ {
		group.Add(1)
		go func() {
			defer group.Done()
			for {
				piece, err := cloudboxHostCalls.call(nonce, "body.read", nil)
				if err != nil || len(piece) == 0 {
					return
				}
			}
		}()
	}
	return group
}

var ways = map[string]func(*http.Request) string{
	"after the end": func(r *http.Request) string {
		told := all(r)
		for i := 0; i < 50; i++ {
			piece, err := cloudboxHostCalls.call(r.Body.(*cloudboxUpload).nonce, "body.read", nil)
			if err != nil || len(piece) > 0 {
				return fmt.Sprint("more: ", piece, err)
			}
		}
		return told
	},
	"many at once":      func(r *http.Request) string { readers(r).Wait(); return "read" },
	"never":             func(r *http.Request) string { return "read" },
	"and does not wait": func(r *http.Request) string { readers(r); return "read" },
	"with replies of its own": func(r *http.Request) string {
		requests := openRequests()
		for id := 1; id < 20; id++ {
			_, _ = syscall.Write(requests, frame(9, id))
		}
		return all(r)
	},
	"with requests of its own": func(r *http.Request) string {
		_, _ = syscall.Write(openRequests(), append(frame(4, 1), frame(2, 1)...))
		return all(r)
	},
}

func handler(w http.ResponseWriter, r *http.Request) {
	way := r.URL.Query().Get("way")
	if way == "ways" {
		names := []string{}
		for name := range ways {
			names = append(names, name)
		}
		_ = json.NewEncoder(w).Encode(names)
		return
	}
	w.Header().Set("Content-Type", "text/plain")
	if way == "" {
		fmt.Fprint(w, all(r))
		return
	}
	fmt.Fprint(w, ways[way](r))
}
