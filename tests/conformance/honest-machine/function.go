// What honest code asks of the machine. Each idiom is nil, or says what is wrong.
package main

import (
	"crypto/rand"
	"fmt"
	"os"
	"os/user"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"
	"time"
)

// all is the first error, or one where a condition doesn't hold.
func all(holds bool, errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	if !holds {
		return fmt.Errorf("not as expected")
	}
	return nil
}

var started = time.Now()

var idioms = map[string]func() error{
	"cores": func() error { return all(runtime.NumCPU() > 0 && runtime.GOMAXPROCS(0) > 0) },
	"memory": func() error {
		var info syscall.Sysinfo_t
		var stats runtime.MemStats
		runtime.ReadMemStats(&stats)
		return all(stats.Sys > 0, syscall.Sysinfo(&info))
	},
	"user": func() error {
		who, err := user.Current()
		if err != nil {
			return err
		}
		return all(who.Uid == fmt.Sprint(os.Getuid()) && who.Username != "" && os.Getuid() > 0 && os.Getgid() > 0)
	},
	"names": func() error {
		var names syscall.Utsname
		name, err := os.Hostname()
		return all(name != "", err, syscall.Uname(&names))
	},
	"folders": func() error {
		home, err := os.UserHomeDir()
		here, other := os.Getwd()
		cache, third := os.UserCacheDir()
		return all(home == "/tmp" && os.TempDir() == "/tmp" && here == "/workspace" && cache != "", err, other, third)
	},
	"program": func() error {
		path, err := os.Executable()
		return all(path == "/workspace/function" && len(os.Args) > 0 && os.Getpid() > 0 && os.Getppid() > 0, err)
	},
	"use of resources": func() error {
		var usage syscall.Rusage
		var limit syscall.Rlimit
		return all(true, syscall.Getrusage(0, &usage), syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit))
	},
	"clocks": func() error {
		time.Sleep(time.Millisecond)
		return all(time.Since(started) > 0 && time.Now().Unix() > 1_700_000_000)
	},
	"time zones": func() error {
		tokyo, err := time.LoadLocation("Asia/Tokyo")
		if err != nil {
			return err
		}
		return all(time.Date(2024, 1, 31, 15, 0, 0, 0, time.UTC).In(tokyo).Day() == 1)
	},
	"local time": func() error { return all(time.Now().Location() != nil && time.Local.String() != "") },
	"random": func() error {
		bytes := make([]byte, 16)
		count, err := rand.Read(bytes)
		return all(count == 16, err)
	},
	"collector": func() error {
		debug.FreeOSMemory()
		previous := debug.SetGCPercent(50)
		debug.SetGCPercent(previous)
		runtime.GC()
		return nil
	},
	"build": func() error {
		info, hasInfo := debug.ReadBuildInfo()
		return all(hasInfo && info.GoVersion == runtime.Version() && strings.HasPrefix(info.GoVersion, "go1."))
	},
	"environment": func() error {
		err := os.Setenv("ADDED", "1")
		path, hasPath := os.LookupEnv("PATH")
		return all(os.Getenv("ADDED") == "1" && hasPath && path != "", err, os.Unsetenv("ADDED"))
	},
}

func handler(data, context map[string]interface{}) (interface{}, error) {
	failed := map[string]string{}
	for name, idiom := range idioms {
		if err := attempt(idiom); err != nil {
			failed[name] = err.Error()
		}
	}
	return map[string]interface{}{"count": len(idioms), "failed": failed}, nil
}

func attempt(idiom func() error) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("panic: %v", cause)
		}
	}()
	return idiom()
}
