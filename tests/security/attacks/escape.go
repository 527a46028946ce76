package main

import (
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"sort"
	"strings"
	"syscall"
	"time"
)

func told(found interface{}, err error) string {
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("done: %v", found)
}

func refused(number, one, two, three uintptr) string {
	found, _, err := syscall.RawSyscall6(number, one, two, three, 0, 0, 0)
	if err != 0 {
		return err.Error()
	}
	return fmt.Sprintf("done: %d", found)
}

func walk(skipped string, visit func(path string, entry fs.DirEntry)) {
	filepath.WalkDir("/", func(path string, entry fs.DirEntry, err error) error {
		if entry != nil && entry.IsDir() && strings.Contains(skipped, path+" ") {
			return filepath.SkipDir
		}
		if err == nil {
			visit(path, entry)
		}
		return nil
	})
}

func writes() interface{} {
	done := []string{}
	try := func(path string, flags int) {
		if file, err := os.OpenFile(path, flags, 0o600); err == nil {
			file.Close()
			done = append(done, path)
		}
	}
	walk("/proc /sys /tmp ", func(path string, entry fs.DirEntry) {
		if entry.IsDir() {
			try(filepath.Join(path, "new"), os.O_WRONLY|os.O_CREATE)
		} else if !strings.HasPrefix(path, "/dev/") {
			try(path, os.O_WRONLY)
		}
	})
	for _, path := range []string{"/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger", "/proc/self/oom_score_adj"} {
		if os.WriteFile(path, []byte("0"), 0o600) == nil {
			done = append(done, path)
		}
	}
	return done
}

func execs() interface{} {
	found := map[string]string{}
	own, _ := os.ReadFile("/proc/self/exe")
	if len(own) > 8<<20 {
		own = own[:8<<20]
	}
	os.WriteFile("/tmp/program", own, 0o755)
	found["program"] = told(exec.Command("/tmp/program").Output())
	file, _ := os.Open("/tmp/program")
	_, err := syscall.Mmap(int(file.Fd()), 0, 4096, syscall.PROT_READ|syscall.PROT_EXEC, syscall.MAP_PRIVATE)
	found["mapped"] = told("mapped", err)
	return found
}

func secrets(data map[string]interface{}) interface{} {
	words := []string{`\$[156y]\$[A-Za-z0-9./]{8}`}
	for _, canary := range data["canaries"].([]interface{}) {
		words = append(words, canary.(string))
	}
	wanted := regexp.MustCompile(strings.Join(words, "|"))
	seen, pids := []string{}, 0
	look := func(path string) {
		if about, err := os.Stat(path); err != nil || about.Size() > 1<<20 || !about.Mode().IsRegular() {
			return
		}
		if text, err := os.ReadFile(path); err == nil && wanted.Match(text) {
			seen = append(seen, path)
		}
	}
	for _, path := range data["paths"].([]interface{}) {
		look(path.(string))
	}
	entries, _ := os.ReadDir("/proc")
	for _, entry := range entries {
		if entry.Name()[0] >= '0' && entry.Name()[0] <= '9' {
			pids++
			for _, name := range []string{"environ", "cmdline", "maps", "mountinfo"} {
				look("/proc/" + entry.Name() + "/" + name)
			}
		}
	}
	walk("/proc /sys /usr /dev /workspace ", func(path string, _ fs.DirEntry) { look(path) })
	environment := []string{}
	for _, pair := range os.Environ() {
		environment = append(environment, strings.SplitN(pair, "=", 2)[0])
	}
	sort.Strings(environment)
	return map[string]interface{}{"seen": seen, "pids": pids, "environment": environment}
}

func others() interface{} {
	found := map[string]string{}
	for _, pid := range []int{1, os.Getppid()} {
		if pid == 0 {
			continue
		}
		found[fmt.Sprint("attach ", pid)] = told("attached", syscall.PtraceAttach(pid))
		_, err := os.OpenFile(fmt.Sprintf("/proc/%d/mem", pid), os.O_RDWR, 0)
		found[fmt.Sprint("mem ", pid)] = told("opened", err)
		_, err = os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
		found[fmt.Sprint("fd ", pid)] = told("listed", err)
		found[fmt.Sprint("pidfd ", pid)] = refused(434, uintptr(pid), 0, 0)
		found[fmt.Sprint("getfd ", pid)] = refused(438, 3, 0, 0)
	}
	return found
}

func network(data map[string]interface{}) interface{} {
	found := map[string]interface{}{}
	addresses := []string{"169.254.169.254:80", "192.0.2.1:443"}
	for _, pair := range data["addresses"].([]interface{}) {
		pair := pair.([]interface{})
		addresses = append(addresses, fmt.Sprintf("%v:%v", pair[0], pair[1]))
	}
	for _, address := range addresses {
		_, err := net.DialTimeout("tcp", address, 2*time.Second)
		found[address] = told("connected", err)
	}
	_, err := net.Dial("unix", "@"+data["abstract"].(string))
	found["abstract"] = told("connected", err)
	found["names"] = told(net.LookupHost("example.com"))
	sockets := []string{}
	walk("/proc /sys ", func(path string, entry fs.DirEntry) {
		if entry.Type()&fs.ModeSocket != 0 {
			sockets = append(sockets, path)
		}
	})
	found["sockets"] = sockets
	return found
}

func families() interface{} {
	found := map[string]string{}
	for name, kind := range map[string][3]int{
		"KEY": {15, 3, 2}, "NETLINK_ROUTE": {16, 3, 0}, "NETLINK_XFRM": {16, 3, 6}, "PACKET": {17, 3, 0x300},
		"RXRPC": {33, 2, 2}, "ALG": {38, 5, 0}, "VSOCK": {40, 1, 0}, "XDP": {44, 3, 0}, "RAW": {2, 3, 1},
	} {
		found[name] = told(syscall.Socket(kind[0], kind[1], kind[2]))
	}
	return found
}

func privileged() interface{} {
	found := map[string]string{
		"mount":   told("mounted", syscall.Mount("x", "/tmp", "tmpfs", 0, "")),
		"chroot":  told("changed", syscall.Chroot("/tmp")),
		"unshare": told("unshared", syscall.Unshare(syscall.CLONE_NEWUSER)),
		"reboot":  told("rebooted", syscall.Reboot(0)),
		"setuid":  refused(syscall.SYS_SETUID, 0, 0, 0),
		"name":    told("named", syscall.Sethostname([]byte("x"))),
		"acct":    told("counted", syscall.Acct("/tmp/x")),
	}
	if runtime.GOARCH == "amd64" {
		for name, number := range map[string]uintptr{"io_uring": 425, "bpf": 321, "keyctl": 250, "userfaultfd": 323} {
			found[name] = refused(number, 0, 0, 0)
		}
	}
	return found
}

func audit() interface{} {
	fds := map[string]string{}
	entries, _ := os.ReadDir("/proc/self/fd")
	for _, entry := range entries {
		if link, err := os.Readlink("/proc/self/fd/" + entry.Name()); err == nil {
			fds[entry.Name()] = link
		}
	}
	text := func(name string) string {
		bytes, _ := os.ReadFile("/proc/self/" + name)
		return string(bytes)
	}
	return map[string]interface{}{
		"status": text("status"), "limits": text("limits"), "mounts": text("mountinfo"), "fds": fds,
		"oom_score": strings.TrimSpace(text("oom_score_adj")),
	}
}

func oddFiles(data map[string]interface{}) interface{} {
	os.Chdir("/tmp")
	os.Symlink(data["outside"].(string), "link")
	syscall.Mkfifo("fifo", 0o600)
	for _, name := range []string{"-rf", "a\nb", "\x1b[2J", " ", "\xff\xfe"} {
		os.WriteFile(name, nil, 0o777)
	}
	os.Mkdir("closed", 0)
	for depth := 0; depth < 1200; depth++ {
		os.Mkdir("d", 0o700)
		os.Chdir("d")
	}
	os.Chdir("/tmp")
	return "made"
}

func killAll() interface{} {
	for _, number := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		syscall.Kill(1, number)
		syscall.Kill(-1, number)
	}
	return "alive"
}

func handler(data, context map[string]interface{}) (interface{}, error) {
	switch data["way"] {
	case "writes":
		return writes(), nil
	case "execs":
		return execs(), nil
	case "secrets":
		return secrets(data), nil
	case "others":
		return others(), nil
	case "network":
		return network(data), nil
	case "families":
		return families(), nil
	case "privileged":
		return privileged(), nil
	case "audit":
		return audit(), nil
	case "odd_files":
		return oddFiles(data), nil
	case "kill_all":
		return killAll(), nil
	}
	return data["way"], nil
}
