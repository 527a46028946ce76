// What honest code does with goroutines, processes and memory. Each idiom is nil, or says what is wrong.
package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"sync"
	"sync/atomic"
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

// itself is this program, which ends at once where there is nobody to call it.
func itself(ctx context.Context) *exec.Cmd { return exec.CommandContext(ctx, "/workspace/function") }

var idioms = map[string]func() error{
	"many goroutines": func() error {
		var group sync.WaitGroup
		var sum int64
		for i := 0; i < 10_000; i++ {
			group.Add(1)
			go func() { defer group.Done(); atomic.AddInt64(&sum, 1) }()
		}
		group.Wait()
		return all(sum == 10_000)
	},
	"channels": func() error {
		jobs, results := make(chan int), make(chan int, 100)
		for i := 0; i < 4; i++ {
			go func() {
				for job := range jobs {
					results <- job * 2
				}
			}()
		}
		for i := 0; i < 100; i++ {
			jobs <- i
		}
		close(jobs)
		sum := 0
		for i := 0; i < 100; i++ {
			sum += <-results
		}
		return all(sum == 9900)
	},
	"locks": func() error {
		var lock sync.RWMutex
		var once sync.Once
		counts := sync.Map{}
		lock.Lock()
		once.Do(func() { counts.Store(1, 2) })
		lock.Unlock()
		value, hasValue := counts.Load(1)
		return all(hasValue && value == 2)
	},
	"timeout": func() error {
		ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
		defer cancel()
		<-ctx.Done()
		return all(ctx.Err() == context.DeadlineExceeded)
	},
	"ticker": func() error {
		ticker := time.NewTicker(time.Millisecond)
		defer ticker.Stop()
		<-ticker.C
		<-ticker.C
		return nil
	},
	"timer": func() error {
		rung := make(chan struct{})
		time.AfterFunc(time.Millisecond, func() { close(rung) })
		<-rung
		return nil
	},
	"a program": func() error {
		output, err := itself(context.Background()).Output()
		return all(len(output) > 0, err)
	},
	"a program that is ended": func() error {
		ctx, cancel := context.WithCancel(context.Background())
		command := itself(ctx)
		stdin, err := command.StdinPipe()
		other := command.Start()
		cancel()
		failed, isExit := command.Wait().(*exec.ExitError)
		_ = stdin.Close()
		return all(isExit && failed.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL, err, other)
	},
	"no such program": func() error {
		_, err := exec.LookPath("nothing-of-this-name")
		return all(err != nil)
	},
	"a signal": func() error {
		got := make(chan os.Signal, 1)
		signal.Notify(got, syscall.SIGUSR1)
		defer signal.Stop(got)
		err := syscall.Kill(os.Getpid(), syscall.SIGUSR1)
		return all(<-got == syscall.SIGUSR1, err)
	},
	"a panic that is caught": func() (err error) {
		defer func() { err = all(recover() != nil) }()
		var nothing map[string]int
		nothing["a"] = 1
		return nil
	},
	"a thread of its own": func() error {
		done := make(chan struct{})
		go func() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			close(done)
		}()
		<-done
		runtime.Gosched()
		return nil
	},
	"a deep recursion": func() error {
		var deep func(int) int
		deep = func(n int) int {
			if n == 0 {
				return 0
			}
			return deep(n-1) + 1
		}
		return all(deep(100_000) == 100_000)
	},
	"much garbage": func() error {
		pool := sync.Pool{New: func() interface{} { return make([]byte, 1<<10) }}
		total := 0
		for i := 0; i < 200_000; i++ {
			bytes := pool.Get().([]byte)
			total += len(bytes) + len(fmt.Sprint(i))
			pool.Put(make([]byte, 1<<10))
		}
		return all(total > 0)
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
