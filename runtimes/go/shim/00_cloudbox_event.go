package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"time"
	"unicode/utf8"
)

// cloudboxInvokeHead is the header of an `invoke` frame.
type cloudboxInvokeHead struct {
	Nonce            string      `json:"nonce"`
	InvocationID     string      `json:"invocation_id"`
	Mode             string      `json:"mode"`
	Data             string      `json:"data"`
	Method           string      `json:"method"`
	Path             string      `json:"path"`
	BasePath         string      `json:"base_path"`
	Query            string      `json:"query"`
	Headers          [][2]string `json:"headers"`
	Timestamp        string      `json:"timestamp"`
	MaxResponseBytes int         `json:"max_response_bytes"`
	DeadlineMs       int64       `json:"deadline_ms"`
	MayStream        bool        `json:"may_stream"`
	HasUpload        bool        `json:"has_upload"`

	Params map[string]interface{} `json:"params"`

	// isStreaming is whether the answer is sent in pieces.
	isStreaming bool
}

// cloudboxQuery is the query as an object; a key that repeats has a list.
func cloudboxQuery(raw string) map[string]interface{} {
	query := map[string]interface{}{}
	if raw == "" {
		return query
	}
	// Pairs that can't be decoded are left out; the others count.
	values, _ := url.ParseQuery(raw)
	for name, list := range values {
		if len(list) == 1 {
			query[name] = list[0]
			continue
		}
		several := make([]interface{}, len(list))
		for i, value := range list {
			several[i] = value
		}
		query[name] = several
	}
	return query
}

// cloudboxHeaders is the headers as an object; a name that repeats has its values joined.
func cloudboxHeaders(pairs [][2]string) map[string]interface{} {
	headers := make(map[string]interface{}, len(pairs))
	for _, pair := range pairs {
		if earlier, repeats := headers[pair[0]]; repeats {
			headers[pair[0]] = fmt.Sprint(earlier, ", ", pair[1])
		} else {
			headers[pair[0]] = pair[1]
		}
	}
	return headers
}

// cloudboxData is the event's data as JSON: the body where it is JSON, else as text, else as base64.
func cloudboxData(head *cloudboxInvokeHead, body []byte) []byte {
	var value interface{}
	switch {
	case head.Data == "query":
		value = cloudboxQuery(head.Query)
	case len(body) == 0:
	case json.Valid(body):
		return body
	case utf8.Valid(body):
		value = string(body)
	default:
		value = map[string]string{"base64": base64.StdEncoding.EncodeToString(body)}
	}
	data, _ := json.Marshal(value)
	return data
}

// cloudboxLogger gives the functions of context["log"].
func cloudboxLogger(send func(level, message string, fields interface{})) map[string]interface{} {
	level := func(name string) func(string, ...interface{}) {
		return func(message string, fields ...interface{}) {
			switch len(fields) {
			case 0:
				send(name, message, nil)
			case 1:
				send(name, message, fields[0])
			default:
				send(name, message, fields)
			}
		}
	}
	return map[string]interface{}{
		"debug": level("debug"), "info": level("info"), "warn": level("warn"), "error": level("error"),
	}
}

// cloudboxSuccess is `{success, data}`: a yes.
func cloudboxSuccess(data interface{}) map[string]interface{} {
	return map[string]interface{}{"success": true, "data": data}
}

// cloudboxRefuse is `{success, error}`: a no.
func cloudboxRefuse(message string, code ...string) map[string]interface{} {
	word := "ERROR"
	if len(code) > 0 {
		word = code[0]
	}
	return map[string]interface{}{
		"success": false, "error": map[string]interface{}{"message": message, "code": word},
	}
}

// cloudboxContext is what a handler is told of the call.
func cloudboxContext(head *cloudboxInvokeHead, load *cloudboxLoadHead, data interface{}, log map[string]interface{}) map[string]interface{} {
	deadline := head.DeadlineMs
	remaining := func() int64 {
		if left := deadline - time.Now().UnixNano()/int64(time.Millisecond); left > 0 {
			return left
		}
		return 0
	}
	function := &load.Function
	return map[string]interface{}{
		"data":                         data,
		"headers":                      cloudboxHeaders(head.Headers),
		"method":                       head.Method,
		"path":                         head.Path,
		"query":                        cloudboxQuery(head.Query),
		"functionName":                 function.Name,
		"function_name":                function.Name,
		"functionId":                   function.ID,
		"function_id":                  function.ID,
		"projectId":                    function.ProjectID,
		"project_id":                   function.ProjectID,
		"invocationId":                 head.InvocationID,
		"invocation_id":                head.InvocationID,
		"awsRequestId":                 head.InvocationID,
		"aws_request_id":               head.InvocationID,
		"timestamp":                    head.Timestamp,
		"version":                      function.Version,
		"memory_limit_mb":              function.MemoryMB,
		"getRemainingTimeInMillis":     remaining,
		"get_remaining_time_in_millis": remaining,
		"env":                          load.Env,
		"log":                          log,
		"success":                      cloudboxSuccess,
		"error":                        cloudboxRefuse,
	}
}
