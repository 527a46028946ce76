// What honest code does with files. Each idiom is nil, or says what is wrong.
package main

import (
	"archive/zip"
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

var folder string

func at(name string) string { return filepath.Join(folder, name) }

func written(name string) string {
	if err := os.WriteFile(at(name), []byte(name), 0o600); err != nil {
		panic(err)
	}
	return at(name)
}

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

var idioms = map[string]func() error{
	"write and read": func() error {
		text, err := os.ReadFile(written("a"))
		return all(string(text) == "a", err)
	},
	"temporary file": func() error {
		file, err := os.CreateTemp("", "x")
		return all(true, err, file.Close(), os.Remove(file.Name()))
	},
	"temporary folder": func() error {
		made, err := os.MkdirTemp(folder, "x")
		return all(true, err, os.MkdirAll(filepath.Join(made, "a/b"), 0o755), os.RemoveAll(made))
	},
	"rename": func() error { return os.Rename(written("b"), at("c")) },
	"links": func() error {
		err, other := os.Symlink(written("d"), at("d1")), os.Link(at("d"), at("d2"))
		real, third := filepath.EvalSymlinks(at("d1"))
		return all(real != "", err, other, third)
	},
	"copy": func() error {
		from, err := os.Open("/workspace/function")
		to, other := os.Create(at("e"))
		if err != nil || other != nil {
			return all(false, err, other)
		}
		count, err := io.Copy(to, from)
		return all(count > 1<<20, err, to.Sync(), to.Close(), from.Close(), os.Remove(at("e")))
	},
	"list": func() error {
		written("f")
		entries, err := os.ReadDir(folder)
		count := 0
		other := filepath.Walk(folder, func(string, os.FileInfo, error) error { count++; return nil })
		return all(len(entries) > 0 && count > 1, err, other)
	},
	"modes and times": func() error {
		file := written("g")
		err, other := os.Chmod(file, 0o640), os.Chtimes(file, time.Unix(1, 0), time.Unix(2, 0))
		info, third := os.Stat(file)
		return all(info.ModTime().Unix() == 2, err, other, third)
	},
	"exclusive": func() error {
		_, err := os.OpenFile(written("h"), os.O_CREATE|os.O_EXCL, 0o600)
		return all(os.IsExist(err))
	},
	"lock": func() error {
		file, err := os.Open(written("i"))
		return all(true, err, syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB), file.Close())
	},
	"mapped": func() error {
		file, err := os.OpenFile(written("j"), os.O_RDWR, 0)
		view, other := syscall.Mmap(int(file.Fd()), 0, 1, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
		first := view[0]
		return all(first == 'j', err, other, syscall.Munmap(view), file.Truncate(10), file.Close())
	},
	"devices": func() error {
		file, err := os.Open("/dev/urandom")
		_, other := io.ReadFull(file, make([]byte, 16))
		return all(true, err, other, file.Close(), os.WriteFile("/dev/null", []byte("x"), 0))
	},
	"archive": func() error {
		var text bytes.Buffer
		archive := zip.NewWriter(&text)
		file, err := archive.Create("a")
		_, other := file.Write([]byte("x"))
		return all(text.Len() == 0, err, other, archive.Close())
	},
	"pipe": func() error {
		from, to, err := os.Pipe()
		go fmt.Fprintln(to, "line")
		line, other := bufio.NewReader(from).ReadString('\n')
		return all(line == "line\n", err, other, from.Close(), to.Close())
	},
}

func handler(data, context map[string]interface{}) (interface{}, error) {
	folder, _ = os.MkdirTemp("", "honest-")
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
