package main

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"
)

const mb = 1 << 20

var kept []interface{}

func hog(size int) []byte {
	block := make([]byte, size)
	for at := 0; at < size; at += 4096 {
		block[at] = 1
	}
	return block
}

// fork is the bare one: the child has no scheduler, so it may only work on memory that is there.
func fork(work func()) (int, error) {
	pid, _, number := syscall.RawSyscall6(syscall.SYS_CLONE, uintptr(syscall.SIGCHLD), 0, 0, 0, 0, 0)
	if number != 0 {
		return 0, number
	}
	if pid == 0 {
		work()
		for {
			syscall.RawSyscall6(syscall.SYS_PSELECT6, 0, 0, 0, 0, 0, 0)
		}
	}
	return int(pid), nil
}

func name(err error) string {
	var number syscall.Errno
	if !errors.As(err, &number) {
		return err.Error()
	}
	names := map[syscall.Errno]string{
		syscall.EAGAIN: "EAGAIN", syscall.EMFILE: "EMFILE", syscall.ENOSPC: "ENOSPC", syscall.EFBIG: "EFBIG",
	}
	if known, ok := names[number]; ok {
		return known
	}
	return number.Error()
}

func memory(way string) interface{} {
	for {
		switch way {
		case "heap":
			kept = append(kept, hog(4*mb))
		default:
			flags := syscall.MAP_PRIVATE
			if way == "shared" {
				flags = syscall.MAP_SHARED
			}
			area, err := syscall.Mmap(-1, 0, 4*mb, syscall.PROT_READ|syscall.PROT_WRITE, flags|syscall.MAP_ANON)
			if err != nil {
				return name(err)
			}
			for at := 0; at < len(area); at += 4096 {
				area[at] = 1
			}
			kept = append(kept, area)
		}
	}
}

func children() interface{} {
	area, _ := syscall.Mmap(-1, 0, 64*mb, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_PRIVATE|syscall.MAP_ANON)
	started := 0
	for ; started < 16; started++ {
		if _, err := fork(func() {
			for at := 0; at < len(area); at += 4096 {
				area[at] = 1
			}
		}); err != nil {
			break
		}
	}
	time.Sleep(2 * time.Second)
	return started
}

func forks() interface{} {
	for started := 0; started < 5000; started++ {
		if _, err := fork(func() {}); err != nil {
			return map[string]interface{}{"started": started, "error": name(err)}
		}
	}
	return map[string]interface{}{"started": 5000}
}

func threads() interface{} {
	for started := 0; started < 5000; started++ {
		go func() {
			runtime.LockOSThread()
			var area [1]byte
			reader, _, _ := os.Pipe()
			syscall.Read(int(reader.Fd()), area[:])
		}()
		time.Sleep(time.Millisecond)
	}
	return map[string]interface{}{"started": 5000}
}

func descriptors() interface{} {
	for {
		file, err := syscall.Open("/dev/null", syscall.O_RDONLY, 0)
		if err != nil {
			return map[string]interface{}{"opened": len(kept), "error": name(err)}
		}
		kept = append(kept, file)
	}
}

func fill(path string) map[string]interface{} {
	file, err := os.Create(path)
	if err != nil {
		return map[string]interface{}{"written": 0, "error": name(err)}
	}
	defer file.Close()
	block, written := make([]byte, mb), 0
	for {
		count, err := file.Write(block)
		written += count
		if err != nil {
			return map[string]interface{}{"written": written, "error": name(err)}
		}
	}
}

func disk() interface{} {
	// Too large a file is an error, and no end.
	signal.Ignore(syscall.SIGXFSZ)
	files := []interface{}{}
	for number := 0; number < 8; number++ {
		files = append(files, fill(fmt.Sprintf("/tmp/full-%d", number)))
	}
	for number := 0; number < 8; number++ {
		os.Remove(fmt.Sprintf("/tmp/full-%d", number))
	}
	found := map[string]interface{}{"files": files}
	made := 0
	for ; made < 100000; made++ {
		file, err := os.Create(fmt.Sprintf("/tmp/inode-%d", made))
		if err != nil {
			found["inodes"] = map[string]interface{}{"made": made, "error": name(err)}
			break
		}
		file.Close()
	}
	for number := 0; number < made; number++ {
		os.Remove(fmt.Sprintf("/tmp/inode-%d", number))
	}
	os.WriteFile("/tmp/sparse", nil, 0o600)
	found["sparse"] = "made"
	if err := os.Truncate("/tmp/sparse", 1<<40); err != nil {
		found["sparse"] = name(err)
	}
	found["after"] = fill("/tmp/after")["written"]
	os.Remove("/tmp/after")
	return found
}

func handler(data, context map[string]interface{}) (interface{}, error) {
	switch way := data["way"].(string); way {
	case "heap", "off-heap", "shared":
		return memory(way), nil
	case "children":
		return children(), nil
	case "forks":
		return forks(), nil
	case "threads":
		return threads(), nil
	case "descriptors":
		return descriptors(), nil
	case "disk":
		return disk(), nil
	default:
		return way, nil
	}
}
