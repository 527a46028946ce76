// Answers, output and exceptions that nobody would write who meant well.
package main

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/big"
	"os"
	"strings"
	"time"
)

const mb = 1 << 20

type ring struct{ Next *ring }
type failing struct{}
type panicking struct{}
type lying struct{}
type typed int
type silent struct{}
type coded struct{ Code, Status, Kind string }

func (failing) MarshalJSON() ([]byte, error)   { return nil, errors.New("marshal") }
func (panicking) MarshalJSON() ([]byte, error) { panic("marshal") }
func (lying) MarshalJSON() ([]byte, error)     { return []byte("{not json"), nil }
func (silent) Error() string                   { panic("no text") }
func (coded) Error() string                    { return "coded" }

func circle() interface{} {
	one := &ring{}
	one.Next = one
	return one
}

func selfish() interface{} {
	m := map[string]interface{}{}
	m["self"] = m
	return m
}

var values = []func() interface{}{
	func() interface{} { return nil },
	func() interface{} { return math.NaN() },
	func() interface{} { return math.Inf(-1) },
	func() interface{} { return math.Copysign(0, -1) },
	func() interface{} { return math.MaxFloat64 },
	func() interface{} { return uint64(math.MaxUint64) },
	func() interface{} { return int64(math.MinInt64) },
	func() interface{} { return complex(1, 2) },
	func() interface{} { return make(chan int) },
	func() interface{} { return func() {} },
	func() interface{} { return []byte{0, 255} },
	func() interface{} { return [3]int{1, 2, 3} },
	func() interface{} { return []interface{}(nil) },
	func() interface{} { return map[string]int(nil) },
	func() interface{} { return map[int]string{1: "a"} },
	func() interface{} { return map[float64]int{1.5: 1} },
	func() interface{} { return map[interface{}]int{true: 1} },
	func() interface{} { return circle() },
	func() interface{} { return selfish() },
	func() interface{} { return failing{} },
	func() interface{} { return panicking{} },
	func() interface{} { return lying{} },
	func() interface{} { return typed(3) },
	func() interface{} { return (*ring)(nil) },
	func() interface{} { return errors.New("not returned as one") },
	func() interface{} { return time.Unix(0, 0) },
	func() interface{} { return time.Duration(1) },
	func() interface{} { return json.RawMessage("{broken") },
	func() interface{} { return json.RawMessage("1e400") },
	func() interface{} { return json.RawMessage(`"\ud800"`) },
	func() interface{} { return json.RawMessage(nil) },
	func() interface{} { return json.Number("not a number") },
	func() interface{} { return new(big.Int).Exp(big.NewInt(10), big.NewInt(4000), nil) },
	func() interface{} { return "\xff\xfe" },
	func() interface{} { return "\x00\x01\u2028<>&" },
	func() interface{} { return "" },
	func() interface{} { return struct{ a, B int }{1, 2} },
	func() interface{} { return struct{}{} },
	func() interface{} { return [][]int{nil, {}, {1}} },
	func() interface{} { return os.Stdout },
	func() interface{} { return map[string]interface{}{"a": make(chan int)} },
	func() interface{} { return strings.NewReader("x") },
}

var empty []int
var none map[string]int

var exceptions = []func() error{
	func() error { return errors.New("") },
	func() error { return errors.New(strings.Repeat("x", 10*mb)) },
	func() error { return errors.New(strings.Repeat("\x00", mb)) },
	func() error { return errors.New("\xff\xfe") },
	func() error { return errors.New("\x1b[2J\r\nforged") },
	func() error { return fmt.Errorf("a: %w", coded{"FORBIDDEN", "200", "x"}) },
	func() error { return coded{"TIMEOUT", "504", "invalid_response"} },
	func() error { return silent{} },
	func() error { return (*os.PathError)(nil) },
	func() error { return io.EOF },
	func() error { return os.ErrPermission },
	func() error { _, err := os.Open("/nowhere"); return err },
	func() error { return json.Unmarshal([]byte("{"), &empty) },
	func() error { panic("text") },
	func() error { panic("") },
	func() error { panic(nil) },
	func() error { panic(errors.New("an error")) },
	func() error { panic(coded{"FORBIDDEN", "200", "x"}) },
	func() error { panic(silent{}) },
	func() error { panic(42) },
	func() error { panic(math.NaN()) },
	func() error { panic(circle()) },
	func() error { panic(func() {}) },
	func() error { panic([]byte("bytes")) },
	func() error { panic(strings.Repeat("x", mb)) },
	func() error { _ = empty[len(empty)+3]; return nil },
	func() error { none["a"] = 1; return nil },
	func() error { var p *ring; _ = p.Next.Next; return nil },
	func() error { zero := len(empty); _ = 1 / zero; return nil },
	func() error { var v interface{} = "x"; _ = v.(int); return nil },
	func() error { close((chan int)(nil)); return nil },
	func() error { _ = make([]int, len(empty)-1); return nil },
}

func flood(count int, to string) string {
	chunk := strings.Repeat("x", mb)
	if to == "lines" {
		chunk = strings.Repeat(strings.Repeat("x", 79)+"\n", mb/80)
	}
	out := os.Stdout
	if to == "stderr" {
		out = os.Stderr
	}
	for i := 0; i < count; i++ {
		io.WriteString(out, chunk)
	}
	return "kept"
}

func number(data map[string]interface{}, key string) int {
	value, _ := data[key].(float64)
	return int(value)
}

func handler(data map[string]interface{}, context map[string]interface{}) (interface{}, error) {
	at, isOne := data["at"]
	switch data["way"] {
	case "flood":
		return flood(number(data, "mb"), data["to"].(string)), nil
	case "text":
		return strings.Repeat(data["unit"].(string), number(data, "count")), nil
	case "keys":
		keys := map[string]int{}
		for i := 0; i < number(data, "count"); i++ {
			keys[fmt.Sprintf("key%d", i)] = i
		}
		return keys, nil
	case "deep":
		value := []interface{}{}
		for i := 1; i < number(data, "depth"); i++ {
			value = []interface{}{value}
		}
		return value, nil
	case "same":
		return data["value"], nil
	case "value":
		if !isOne {
			return len(values), nil
		}
		return values[int(at.(float64))](), nil
	case "exception":
		if !isOne {
			return len(exceptions), nil
		}
		return nil, exceptions[int(at.(float64))]()
	case "print":
		io.WriteString(os.Stdout, data["text"].(string))
		return "printed", nil
	case "bytes":
		raw, _ := hex.DecodeString(data["hex"].(string))
		os.Stdout.Write(raw)
		return "printed", nil
	}
	return "fine", nil
}
