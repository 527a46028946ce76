package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
)

type goldenMessage struct {
	Name   string          `json:"name"`
	Kind   string          `json:"kind"`
	Header json.RawMessage `json:"header"`
	Body   []byte          `json:"body_base64"`
	Wire   []byte          `json:"wire_base64"`
	Error  string          `json:"error"`
}

var kinds = []string{"", "hello", "load", "loaded", "invoke", "result", "failure", "log", "call", "reply", "chunk", "taken", "output"}

func goldenMessages(t *testing.T) []goldenMessage {
	t.Helper()
	paths, err := filepath.Glob("../../golden/*.json")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no golden messages: %v", err)
	}
	messages := make([]goldenMessage, len(paths))
	for i, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(text, &messages[i]); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
	}
	return messages
}

func sameJSON(t *testing.T, a, b []byte) bool {
	t.Helper()
	var one, other interface{}
	if err := json.Unmarshal(a, &one); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &other); err != nil {
		t.Fatal(err)
	}
	return reflect.DeepEqual(one, other)
}

func TestGoldenMessagesAreReadAndWritten(t *testing.T) {
	for _, golden := range goldenMessages(t) {
		if golden.Error != "" {
			continue
		}
		file, err := os.CreateTemp(t.TempDir(), "")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := file.WriteAt(append(golden.Wire, golden.Wire...), 0); err != nil {
			t.Fatal(err)
		}
		wire := &cloudboxWire{requests: int(file.Fd()), inbox: make([]byte, cloudboxInboxLen)}
		for i := 0; i < 2; i++ {
			frame := wire.read()
			if kinds[frame.kind] != golden.Kind || !sameJSON(t, frame.header, golden.Header) || !bytes.Equal(frame.body, golden.Body) {
				t.Errorf("%s: read %d %s %q", golden.Name, frame.kind, frame.header, frame.body)
			}
			if !bytes.Equal(cloudboxEncode(frame.kind, frame.header, frame.body), golden.Wire) {
				t.Errorf("%s: other bytes are written", golden.Name)
			}
		}
		file.Close()
	}
}

func TestABodyLargerThanTheInboxArrives(t *testing.T) {
	body := bytes.Repeat([]byte("0123456789"), 100_000)
	file, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	large := cloudboxEncode(cloudboxInvoke, []byte("{}"), body)
	if _, err := file.WriteAt(append(large, cloudboxEncode(cloudboxInvoke, []byte(`{"a":1}`), nil)...), 0); err != nil {
		t.Fatal(err)
	}
	wire := &cloudboxWire{requests: int(file.Fd()), inbox: make([]byte, cloudboxInboxLen)}
	if frame := wire.read(); !bytes.Equal(frame.body, body) {
		t.Errorf("%d bytes", len(frame.body))
	}
	if frame := wire.read(); string(frame.header) != `{"a":1}` {
		t.Errorf("header %s", frame.header)
	}
}

// answer calls a handler as a frame would.
func answer(t *testing.T, handler interface{}, mode, body string) (*cloudboxReply, *cloudboxFault) {
	t.Helper()
	cloudboxLoadedHead = &cloudboxLoadHead{}
	fit, err := cloudboxFit(handler)
	if err != nil {
		t.Fatal(err)
	}
	return fit.call(&cloudboxInvokeHead{Mode: mode, Data: "body", MaxResponseBytes: 1 << 20, DeadlineMs: math.MaxInt32 * 1000}, []byte(body))
}

type object = map[string]interface{}

func TestResults(t *testing.T) {
	text := [2]string{"content-type", "text/plain; charset=utf-8"}
	asJSON := [2]string{"content-type", "application/json"}
	for name, test := range map[string]struct {
		value   interface{}
		status  int
		headers [][2]string
		body    string
	}{
		"object":  {object{"a": "<&>"}, 200, [][2]string{asJSON}, `{"a":"<&>"}`},
		"nothing": {nil, 200, [][2]string{asJSON}, `null`},
		"text":    {object{"statusCode": 201, "body": "hi"}, 201, [][2]string{text}, "hi"},
		"base64":  {object{"statusCode": 200, "body": "AQI=", "isBase64Encoded": true}, 200, [][2]string{text}, "\x01\x02"},
		"json":    {object{"statusCode": 404.0, "body": object{"e": 1}}, 404, [][2]string{asJSON}, `{"e":1}`},
		"empty":   {object{"statusCode": 204}, 204, [][2]string{}, ""},
		"struct": {struct {
			StatusCode int               `json:"statusCode"`
			Headers    map[string]string `json:"headers"`
			Body       string            `json:"body"`
		}{302, map[string]string{"Location": "/"}, ""}, 302, [][2]string{{"location", "/"}, text}, ""},
		"lists": {object{"statusCode": 200, "headers": object{"N": 5, "Set-Cookie": []string{"a=1", "b=2"}}}, 200,
			[][2]string{{"n", "5"}, {"set-cookie", "a=1"}, {"set-cookie", "b=2"}}, ""},
		"word": {object{"statusCode": "200"}, 200, [][2]string{asJSON}, `{"statusCode":"200"}`},
	} {
		reply, fault := answer(t, func() interface{} { return test.value }, "http", "")
		if fault != nil {
			t.Errorf("%s: %v", name, fault)
		} else if reply.Status != test.status || !reflect.DeepEqual(reply.Headers, test.headers) || string(reply.body) != test.body {
			t.Errorf("%s: %d %q %q", name, reply.Status, reply.Headers, reply.body)
		}
	}
}

func TestRefusedResults(t *testing.T) {
	circle := object{}
	circle["a"] = circle
	for _, test := range []struct {
		value         interface{}
		kind, message string
	}{
		{circle, "invalid_response", "cycle"},
		{make(chan int), "invalid_response", "chan int"},
		{math.NaN(), "invalid_response", "NaN"},
		{object{"statusCode": 600}, "invalid_response", "600"},
		{object{"statusCode": 200, "headers": object{"a": "x\r\ny: z"}}, "invalid_response", "line break"},
		{object{"statusCode": 200, "headers": object{"a b": "x"}}, "invalid_response", "name"},
		{object{"statusCode": 200, "headers": object{"a": object{}}}, "invalid_response", "header a"},
		{object{"statusCode": 200, "headers": "x"}, "invalid_response", "object"},
		{strings.Repeat("x", 2<<20), "response_too_large", "2097154 bytes, the limit is 1048576"},
	} {
		_, fault := answer(t, func() interface{} { return test.value }, "http", "")
		if fault == nil || fault.Kind != test.kind || !strings.Contains(fault.Message, test.message) {
			t.Errorf("%T: %v", test.value, fault)
		}
	}
}

func TestFaults(t *testing.T) {
	type order struct {
		Count int `json:"count"`
	}
	for _, test := range []struct {
		handler interface{}
		message string
	}{
		{func(object, object) (interface{}, error) { return nil, errors.New("no stock") }, "no stock"},
		{func() error { var m map[string]int; m["a"] = 1; return nil }, "panic: assignment to entry in nil map"},
		{func() error { panic("odd") }, "panic: odd"},
		{func(order) error { return nil }, "data can't be decoded into main.order: json: cannot unmarshal string"},
		{func(object) error { return nil }, "data can't be decoded into map[string]interface {}"},
	} {
		_, fault := answer(t, test.handler, "raw", `"text"`)
		if !errorIs(fault, test.message) {
			t.Errorf("%v in place of %q", fault, test.message)
		}
		if strings.HasPrefix(test.message, "panic") && !strings.Contains(fault.Stack, "TestFaults") {
			t.Errorf("stack %q", fault.Stack)
		}
	}
}

// errorIs does without a context where the first parameter can't be decoded.
func errorIs(fault *cloudboxFault, message string) bool {
	if fault == nil || fault.Kind != "error" {
		return false
	}
	return strings.HasPrefix(fault.Message, message) || message == "no stock" && strings.Contains(fault.Message, "can't be decoded")
}

func TestShapes(t *testing.T) {
	for _, bad := range []interface{}{nil, 1, func(object, int) error { return nil }, func() (int, int) { return 1, 2 },
		func(...object) error { return nil }, func(object, object, object) error { return nil }} {
		if _, err := cloudboxFit(bad); err == nil {
			t.Errorf("%T is taken for a handler", bad)
		}
	}
	for _, good := range []interface{}{func() {}, func(object) error { return nil }, func(string, object) int { return 1 },
		func(interface{}, interface{}) (int, error) { return 1, nil }} {
		if _, err := cloudboxFit(good); err != nil {
			t.Error(err)
		}
	}
}

func TestDataOfABodyThatIsNotJSON(t *testing.T) {
	for body, want := range map[string]string{"": "null", "text": `"text"`, "\xff\x00": `{"base64":"/wA="}`, "NaN": `"NaN"`, "[1]": "[1]"} {
		reply, fault := answer(t, func(data interface{}) interface{} { return data }, "raw", body)
		if fault != nil || string(reply.body) != want {
			t.Errorf("%q: %v %v", body, reply, fault)
		}
	}
}

func TestFunctionsInMapsAreLeftOut(t *testing.T) {
	value := object{"a": 1, "f": func() {}, "log": object{"info": func(string) {}}, "l": []interface{}{object{"g": func() {}, "n": nil}}}
	text, fault := cloudboxJSON(value)
	if fault != nil || string(text) != `{"a":1,"l":[{"n":null}],"log":{}}` {
		t.Errorf("%s %v", text, fault)
	}
	for _, bad := range []interface{}{func() {}, []interface{}{func() {}}, object{"c": make(chan int)}} {
		if _, fault := cloudboxJSON(bad); fault == nil || fault.Kind != "invalid_response" {
			t.Errorf("%T: %v", bad, fault)
		}
	}
}

func TestHeadersOfLambdaCount(t *testing.T) {
	value := map[string]interface{}{
		"statusCode": 201, "headers": map[string]string{"X-One": "lost", "Set-Cookie": "a=1"},
		"multiValueHeaders": map[string][]string{"x-one": {"1", "2"}}, "cookies": []string{"b=2"},
	}
	reply, fault := cloudboxAnswer(&cloudboxInvokeHead{Mode: "http", MaxResponseBytes: 100}, value)
	if fault != nil {
		t.Fatal(fault.Message)
	}
	want := [][2]string{{"set-cookie", "a=1"}, {"set-cookie", "b=2"}, {"x-one", "1"}, {"x-one", "2"}}
	if fmt.Sprint(reply.Headers) != fmt.Sprint(want) {
		t.Fatal(reply.Headers)
	}
}

func TestDescriptorsNeedNoLargerTable(t *testing.T) {
	moved := cloudboxDup(2)
	defer syscall.Close(moved)
	// The kernel's first table has 64 places: a larger one takes it milliseconds, once there are threads.
	if moved < 3 || moved > 63 {
		t.Errorf("descriptor %d", moved)
	}
}
