package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"runtime"
	"runtime/debug"
	"strings"
	"time"
)

// cloudboxHandler is the author's function; the generated glue sets it.
var cloudboxHandler interface{}

var (
	cloudboxContextType = reflect.TypeOf((*context.Context)(nil)).Elem()
	cloudboxErrorType   = reflect.TypeOf((*error)(nil)).Elem()
	cloudboxMapType     = reflect.TypeOf(map[string]interface{}{})
)

// cloudboxCallable is a handler whose shape is known to fit.
type cloudboxCallable struct {
	function reflect.Value
	// in says of each parameter whether it is `c` (a context.Context), `d` (data) or `m` (the context map).
	in string
	// data is the type of the data parameter, nil where there is none.
	data reflect.Type
	// hasValue and hasError say what the handler returns.
	hasValue, hasError bool
	// style is the name of the handler's form.
	style string
	// direct makes the whole answer, where the form is none with data; nil elsewhere.
	direct func(head *cloudboxInvokeHead, body []byte) (*cloudboxReply, *cloudboxFault)
}

// cloudboxAdapt makes a callable of a handler with another form, nil where it has none that is known; a file that is not
// compiled with every function sets it.
var cloudboxAdapt = func(handler interface{}) *cloudboxCallable { return nil }

// cloudboxFit checks the handler's shape.
func cloudboxFit(handler interface{}) (*cloudboxCallable, error) {
	if adapted := cloudboxAdapt(handler); adapted != nil {
		return adapted, nil
	}
	function := reflect.ValueOf(handler)
	if function.Kind() != reflect.Func || function.IsNil() {
		return nil, fmt.Errorf("the handler is %T, not a function", handler)
	}
	shape := function.Type()
	fit := &cloudboxCallable{function: function, style: "data"}
	for i := 0; i < shape.NumIn(); i++ {
		in := shape.In(i)
		switch {
		case in == cloudboxContextType:
			fit.in += "c"
		case fit.data == nil:
			fit.in += "d"
			fit.data = in
		case cloudboxMapType.AssignableTo(in) && !strings.Contains(fit.in, "m"):
			fit.in += "m"
		default:
			return nil, fmt.Errorf("parameter %d of %s is not map[string]interface{}", i+1, shape)
		}
	}
	outs := shape.NumOut()
	fit.hasError = outs > 0 && shape.Out(outs-1) == cloudboxErrorType
	fit.hasValue = outs == 2 || outs == 1 && !fit.hasError
	if shape.IsVariadic() || outs > 2 || outs == 2 && !fit.hasError {
		return nil, fmt.Errorf("%s must take (data, context) and return a value, an error or both", shape)
	}
	return fit, nil
}

// arguments makes the parameters of a call.
func (c *cloudboxCallable) arguments(head *cloudboxInvokeHead, data []byte) ([]reflect.Value, context.CancelFunc, error) {
	ctx, cancel := context.Background(), func() {}
	arguments := make([]reflect.Value, 0, len(c.in))
	var generic interface{}
	isGeneric := false
	for _, kind := range c.in {
		switch kind {
		case 'c':
			ctx, cancel = context.WithDeadline(ctx, time.Unix(0, head.DeadlineMs*int64(time.Millisecond)))
			arguments = append(arguments, reflect.ValueOf(ctx))
		case 'd':
			value := reflect.New(c.data)
			if err := json.Unmarshal(data, value.Interface()); err != nil {
				return nil, cancel, fmt.Errorf("data can't be decoded into %s: %w", c.data, err)
			}
			if c.data == cloudboxMapType && value.Elem().IsNil() {
				value.Elem().Set(reflect.ValueOf(map[string]interface{}{}))
			}
			if c.data == cloudboxMapType || c.data.Kind() == reflect.Interface {
				generic, isGeneric = value.Elem().Interface(), true
			}
			arguments = append(arguments, value.Elem())
		case 'm':
			if !isGeneric {
				_ = json.Unmarshal(data, &generic)
			}
			log := cloudboxLogger(func(level, message string, fields interface{}) {
				cloudboxPipes.log(head.Nonce, cloudboxLogHeader(head.Nonce, level, message, fields))
			})
			context := cloudboxContext(head, cloudboxLoadedHead, generic, log)
			if head.Params != nil {
				context["params"] = head.Params
			}
			context["hostCall"] = cloudboxHostCall(head.Nonce)
			context["db"] = cloudboxDatabaseOf(head.Nonce)
			if cloudboxClient != nil {
				context["http"] = cloudboxClient
			}
			arguments = append(arguments, reflect.ValueOf(context))
		}
	}
	return arguments, cancel, nil
}

// call runs the handler; a panic is a fault like an error.
func (c *cloudboxCallable) call(head *cloudboxInvokeHead, body []byte) (reply *cloudboxReply, fault *cloudboxFault) {
	defer func() {
		if cause := recover(); cause != nil {
			reply, fault = nil, &cloudboxFault{Kind: "error", Message: cloudboxPanicText(cause), Stack: cloudboxStack()}
		}
	}()
	if missing := cloudboxMissingEnvironment(cloudboxConfig); len(missing) > 0 {
		text := "environment variables are missing that the function needs (config[\"env_required\"]): " + strings.Join(missing, ", ")
		return nil, &cloudboxFault{Kind: "missing_environment", Message: text}
	}
	if c.direct != nil {
		return c.direct(head, body)
	}
	arguments, cancel, err := c.arguments(head, cloudboxData(head, body))
	defer cancel()
	if err != nil {
		return nil, &cloudboxFault{Kind: "error", Message: err.Error()}
	}
	out := c.function.Call(arguments)
	if c.hasError {
		if failed, _ := out[len(out)-1].Interface().(error); failed != nil {
			return nil, cloudboxErrorFault(failed)
		}
	}
	var value interface{}
	if c.hasValue {
		value = out[0].Interface()
	}
	return cloudboxAnswer(head, value)
}

// cloudboxErrorFault is a handler's error; some kinds of errors carry a stack, which `%+v` shows.
func cloudboxErrorFault(failed error) *cloudboxFault {
	fault := &cloudboxFault{Kind: "error", Message: failed.Error()}
	if more := fmt.Sprintf("%+v", failed); more != fault.Message {
		fault.Stack = more
	}
	return fault
}

func cloudboxPanicText(cause interface{}) (text string) {
	defer func() {
		if recover() != nil {
			text = fmt.Sprintf("panic: %T", cause)
		}
	}()
	if failed, isError := cause.(error); isError {
		return "panic: " + failed.Error()
	}
	return fmt.Sprintf("panic: %v", cause)
}

// cloudboxStack is the stack of a panic in the author's lines: what is above the panic and below the call is ours.
func cloudboxStack() string {
	lines := strings.Split(string(debug.Stack()), "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, "panic(") && i+2 < len(lines) {
			lines = lines[i+2:]
			break
		}
	}
	for i, line := range lines {
		if strings.HasPrefix(line, "reflect.Value.call(") || strings.HasPrefix(line, "net/http.HandlerFunc.ServeHTTP(") {
			lines = lines[:i]
			break
		}
	}
	return strings.TrimRight(strings.Join(lines, "\n"), "\n")
}

// cloudboxCutFault keeps a fault's texts within their limits.
func cloudboxCutFault(fault *cloudboxFault) *cloudboxFault {
	if fault != nil {
		fault.Message = cloudboxCut(fault.Message, cloudboxMessageLimit)
		fault.Stack = cloudboxCut(fault.Stack, cloudboxStackLimit)
	}
	return fault
}

// cloudboxFail answers with a failure.
func cloudboxFail(nonce string, fault *cloudboxFault) {
	kind, header, _ := cloudboxFrameOf(&cloudboxInvokeHead{Nonce: nonce}, nil, fault, nil)
	cloudboxPipes.send(kind, header, nil)
}

// cloudboxFrameOf is the frame that answers a call: the end of a streamed answer, a failure or a result.
func cloudboxFrameOf(head *cloudboxInvokeHead, reply *cloudboxReply, fault *cloudboxFault, survivors []string) (byte, []byte, []byte) {
	if head.isStreaming {
		last, _ := json.Marshal(cloudboxLast{Nonce: head.Nonce, Last: true, Failure: cloudboxCutFault(fault), Survivors: survivors})
		return cloudboxChunk, last, nil
	}
	if fault != nil {
		fault.Nonce, fault.Survivors = head.Nonce, survivors
		header, _ := json.Marshal(cloudboxCutFault(fault))
		return cloudboxFailure, header, nil
	}
	reply.Survivors = survivors
	header, _ := json.Marshal(reply)
	return cloudboxResult, header, reply.body
}

// cloudboxOutOfTurn ends a process that was sent what it can't understand.
func cloudboxOutOfTurn(kind byte) {
	fmt.Fprintf(os.Stderr, "cloudbox: a frame of kind %d out of turn\n", kind)
	os.Exit(70)
}

// cloudboxServe answers calls until the stream ends.
func cloudboxServe(handler *cloudboxCallable) {
	for {
		frame := cloudboxPipes.read()
		if frame.kind == cloudboxReplyKind {
			// To an earlier call, which has ended without waiting for it.
			continue
		}
		head := &cloudboxInvokeHead{}
		if frame.kind != cloudboxInvoke || json.Unmarshal(frame.header, head) != nil {
			cloudboxOutOfTurn(frame.kind)
		}
		cloudboxPipes.begin(head.Nonce)
		cloudboxHostCalls.begin(cloudboxPipes, head.Nonce)
		reply, fault := handler.call(head, frame.body)
		cloudboxHostCalls.end()
		cloudboxPipes.send(cloudboxFrameOf(head, reply, fault, cloudboxSurvivors(cloudboxAccepted)))
	}
}

func main() {
	nonce := cloudboxLoadedHead.Nonce
	style := cloudboxLoadedHead.HandlerStyle
	handler, err := cloudboxFit(cloudboxHandler)
	if err == nil && style != "auto" && style != handler.style {
		err = fmt.Errorf("handler_style is %q, and the handler is of the style %q; Go functions have: auto, data, http", style, handler.style)
	}
	if err != nil {
		cloudboxFail(nonce, &cloudboxFault{Kind: "entry_point", Message: err.Error()})
		// The service ends what did not load.
		cloudboxPipes.read()
		return
	}
	cloudboxAccepted = runtime.NumGoroutine()
	loaded := map[string]interface{}{"nonce": nonce, "handler_style": handler.style}
	if most := cloudboxLoadedHead.Concurrency; most > 1 {
		loaded["concurrency"] = most
		header, _ := json.Marshal(loaded)
		cloudboxServeSeveral(handler, cloudboxPipes, cloudboxHostCalls, header)
	}
	header, _ := json.Marshal(loaded)
	cloudboxPipes.send(cloudboxLoaded, header, nil)
	cloudboxServe(handler)
}
