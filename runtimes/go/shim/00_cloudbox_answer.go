package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"sort"
	"strconv"
	"strings"
)

const (
	cloudboxMessageLimit = 8 << 10
	cloudboxStackLimit   = 64 << 10
)

var cloudboxHeaderName = regexp.MustCompile("^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")

// cloudboxFault is why a call has no result: the fields of a `failure` frame.
type cloudboxFault struct {
	Nonce     string   `json:"nonce"`
	Kind      string   `json:"kind"`
	Message   string   `json:"message"`
	Stack     string   `json:"stack"`
	Survivors []string `json:"survivors,omitempty"`
}

func cloudboxUnfit(format string, values ...interface{}) *cloudboxFault {
	return &cloudboxFault{Kind: "invalid_response", Message: fmt.Sprintf(format, values...)}
}

// cloudboxCut keeps a text within a limit.
func cloudboxCut(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	return strings.ToValidUTF8(text[:limit], "")
}

// cloudboxReply is a result on its way.
type cloudboxReply struct {
	Nonce     string      `json:"nonce"`
	Status    int         `json:"status"`
	Headers   [][2]string `json:"headers"`
	Survivors []string    `json:"survivors,omitempty"`
	// IsStreamed says that the body follows in pieces.
	IsStreamed bool `json:"is_streamed,omitempty"`
	body       []byte
}

// cloudboxLast is the end of a streamed answer.
type cloudboxLast struct {
	Nonce     string         `json:"nonce"`
	Last      bool           `json:"last"`
	Failure   *cloudboxFault `json:"failure,omitempty"`
	Survivors []string       `json:"survivors,omitempty"`
}

// cloudboxMaxChunk is how many bytes one piece of a streamed answer has at most.
const cloudboxMaxChunk = 256 << 10

// cloudboxPiece sends a piece of a streamed answer.
func cloudboxPiece(nonce string, piece []byte) {
	header, _ := json.Marshal(cloudboxLast{Nonce: nonce})
	for len(piece) > 0 {
		n := len(piece)
		if n > cloudboxMaxChunk {
			n = cloudboxMaxChunk
		}
		cloudboxPipes.piece(nonce, header, piece[:n])
		piece = piece[n:]
	}
}

// cloudboxJSON is a value as JSON, `<` and `&` as they are. A context, or a part of it, may be in the value: functions
// in maps are left out, as in JavaScript.
func cloudboxJSON(value interface{}) ([]byte, *cloudboxFault) {
	text, err := cloudboxToJSON(value)
	if unfit, isUnfit := err.(*json.UnsupportedTypeError); isUnfit && unfit.Type.Kind() == reflect.Func {
		text, err = cloudboxToJSON(cloudboxWithoutFunctions(value, cloudboxDepth))
	}
	if err != nil {
		return nil, cloudboxUnfit("the result can't be sent as JSON: %v", err)
	}
	return text, nil
}

func cloudboxToJSON(value interface{}) ([]byte, error) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(value)
	return bytes.TrimSuffix(text.Bytes(), []byte("\n")), err
}

// cloudboxDepth is how deep functions are looked for: a value may hold itself.
const cloudboxDepth = 100

// cloudboxWithoutFunctions is a copy of maps and lists without the functions in maps.
func cloudboxWithoutFunctions(value interface{}, depth int) interface{} {
	if depth == 0 {
		return value
	}
	switch value := value.(type) {
	case map[string]interface{}:
		kept := make(map[string]interface{}, len(value))
		for name, inner := range value {
			if inner == nil || reflect.TypeOf(inner).Kind() != reflect.Func {
				kept[name] = cloudboxWithoutFunctions(inner, depth-1)
			}
		}
		return kept
	case []interface{}:
		kept := make([]interface{}, len(value))
		for i, inner := range value {
			kept[i] = cloudboxWithoutFunctions(inner, depth-1)
		}
		return kept
	}
	return value
}

// cloudboxAnswer makes the reply for a handler's value.
func cloudboxAnswer(head *cloudboxInvokeHead, value interface{}) (*cloudboxReply, *cloudboxFault) {
	body, fault := cloudboxJSON(value)
	if fault != nil {
		return nil, fault
	}
	reply := &cloudboxReply{Status: 200, Headers: [][2]string{}, body: body}
	if head.Mode == "http" {
		reply.Headers = [][2]string{{"content-type", "application/json"}}
		if err := reply.asHTTP(); err != nil {
			return nil, err
		}
	}
	if len(reply.body) > head.MaxResponseBytes {
		return nil, cloudboxTooLarge(len(reply.body), head.MaxResponseBytes)
	}
	reply.Nonce = head.Nonce
	return reply, nil
}

func cloudboxTooLarge(length, limit int) *cloudboxFault {
	message := fmt.Sprintf("the result has %d bytes, the limit is %d", length, limit)
	return &cloudboxFault{Kind: "response_too_large", Message: message}
}

// asHTTP takes an object with an integer `statusCode` for an HTTP answer, and leaves any other value alone.
func (r *cloudboxReply) asHTTP() *cloudboxFault {
	if len(r.body) == 0 || r.body[0] != '{' || !bytes.Contains(r.body, []byte(`"statusCode"`)) {
		return nil
	}
	var fields map[string]json.RawMessage
	if json.Unmarshal(r.body, &fields) != nil {
		return nil
	}
	status, err := strconv.Atoi(string(fields["statusCode"]))
	if err != nil {
		return nil
	}
	if status < 100 || status > 599 {
		return cloudboxUnfit("statusCode %d of the response is not between 100 and 599", status)
	}
	r.Status = status
	kind, fault := r.setBody(fields["body"], string(fields["isBase64Encoded"]) == "true")
	if fault != nil {
		return fault
	}
	headers, fault := cloudboxHeaderFields(fields)
	if fault != nil {
		return fault
	}
	return r.setHeaders(headers, kind)
}

// cloudboxHeaderFields is the headers of an answer; those of Lambda's `multiValueHeaders` come in place of `headers`' own,
// `cookies` beside them.
func cloudboxHeaderFields(fields map[string]json.RawMessage) (map[string]interface{}, *cloudboxFault) {
	headers, fault := cloudboxObject(fields["headers"])
	if fault != nil {
		return nil, fault
	}
	many, _ := cloudboxObject(fields["multiValueHeaders"])
	for name, values := range many {
		for other := range headers {
			if strings.EqualFold(name, other) {
				delete(headers, other)
			}
		}
		headers[name] = values
	}
	var cookies []interface{}
	if json.Unmarshal(fields["cookies"], &cookies) != nil || len(cookies) == 0 {
		return headers, nil
	}
	for name, earlier := range headers {
		if strings.EqualFold(name, "set-cookie") {
			delete(headers, name)
			if list, isList := earlier.([]interface{}); isList {
				cookies = append(append([]interface{}{}, list...), cookies...)
			} else {
				cookies = append([]interface{}{earlier}, cookies...)
			}
		}
	}
	headers["set-cookie"] = cookies
	return headers, nil
}

// cloudboxObject is an object of headers; an empty one where there is none.
func cloudboxObject(raw json.RawMessage) (map[string]interface{}, *cloudboxFault) {
	headers := map[string]interface{}{}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	if len(raw) > 0 && decoder.Decode(&headers) != nil {
		return map[string]interface{}{}, cloudboxUnfit("headers of the response must be an object")
	}
	if headers == nil {
		headers = map[string]interface{}{}
	}
	return headers, nil
}

// setBody gives the content type that goes with the body; none for an empty one.
func (r *cloudboxReply) setBody(raw json.RawMessage, isBase64 bool) (string, *cloudboxFault) {
	if len(raw) == 0 || string(raw) == "null" {
		r.body = nil
		return "", nil
	}
	if raw[0] != '"' {
		r.body = raw
		return "application/json", nil
	}
	var text string
	_ = json.Unmarshal(raw, &text)
	r.body = []byte(text)
	if isBase64 {
		decoded, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return "", cloudboxUnfit("the body of the response is not base64: %v", err)
		}
		r.body = decoded
	}
	return "text/plain; charset=utf-8", nil
}

func (r *cloudboxReply) setHeaders(headers map[string]interface{}, kind string) *cloudboxFault {
	r.Headers = [][2]string{}
	names := make([]string, 0, len(headers))
	for name := range headers {
		names = append(names, name)
	}
	sort.Strings(names)
	hasType := false
	for _, name := range names {
		if !cloudboxHeaderName.MatchString(name) {
			return cloudboxUnfit("the response has an impossible header name: %q", name)
		}
		lower := strings.ToLower(name)
		hasType = hasType || lower == "content-type"
		values, isList := headers[name].([]interface{})
		if !isList {
			values = []interface{}{headers[name]}
		}
		for _, value := range values {
			if fault := r.addHeader(lower, value); fault != nil {
				return fault
			}
		}
	}
	if !hasType && kind != "" {
		r.Headers = append(r.Headers, [2]string{"content-type", kind})
	}
	return nil
}

func (r *cloudboxReply) addHeader(name string, value interface{}) *cloudboxFault {
	switch value.(type) {
	case nil:
		return nil
	case string, json.Number, bool:
	default:
		return cloudboxUnfit("header %s of the response must be a string, a number or a list of those", name)
	}
	text := fmt.Sprint(value)
	isControl := func(c rune) bool { return c < 0x20 && c != '\t' || c == 0x7f }
	if strings.IndexFunc(text, isControl) >= 0 {
		return cloudboxUnfit("header %s of the response has a line break or another control character", name)
	}
	r.Headers = append(r.Headers, [2]string{name, text})
	return nil
}

// cloudboxLogHeader is the header of a structured log line; fields that can't be sent are shown as text.
func cloudboxLogHeader(nonce, level, message string, fields interface{}) []byte {
	more, err := json.Marshal(fields)
	switch {
	case err != nil:
		more, _ = json.Marshal(map[string]string{"value": cloudboxCut(fmt.Sprintf("%+v", fields), cloudboxMessageLimit)})
	case fields == nil:
		more = []byte("{}")
	case more[0] != '{':
		more = append(append([]byte(`{"value":`), more...), '}')
	}
	if len(more) > 4*cloudboxStackLimit {
		more = []byte(`{"truncated":true}`)
	}
	header, _ := json.Marshal(map[string]interface{}{
		"nonce": nonce, "level": level, "message": cloudboxCut(message, cloudboxStackLimit), "fields": json.RawMessage(more),
	})
	return header
}
