package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sort"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// This file is compiled with functions that import net/http, and with no others: it would make each of them some
// megabytes larger.

func init() { cloudboxAdapt = cloudboxHTTP }

// cloudboxHTTP makes a callable of `func(http.ResponseWriter, *http.Request)` and of an http.Handler; nil for anything else.
func cloudboxHTTP(handler interface{}) *cloudboxCallable {
	var serve http.Handler
	switch handler := handler.(type) {
	case func(http.ResponseWriter, *http.Request):
		serve = http.HandlerFunc(handler)
	case http.Handler:
		serve = handler
	default:
		return nil
	}
	direct := func(head *cloudboxInvokeHead, body []byte) (*cloudboxReply, *cloudboxFault) {
		request, cancel, err := cloudboxRequest(head, body)
		defer cancel()
		if err != nil {
			return nil, &cloudboxFault{Kind: "error", Message: err.Error()}
		}
		writer := &cloudboxWriter{head: head, header: http.Header{}}
		serve.ServeHTTP(writer, request)
		return writer.reply(head)
	}
	return &cloudboxCallable{style: "http", direct: direct}
}

// cloudboxRequest is the call as a request; its context ends with the call's time.
func cloudboxRequest(head *cloudboxInvokeHead, body []byte) (*http.Request, context.CancelFunc, error) {
	ctx, cancel := context.WithDeadline(context.Background(), time.Unix(0, head.DeadlineMs*int64(time.Millisecond)))
	target := head.Path
	if head.Query != "" {
		target += "?" + head.Query
	}
	// An application routes by what is below the function's own path.
	below := strings.TrimPrefix(target, head.BasePath)
	if !strings.HasPrefix(below, "/") {
		below = "/" + below
	}
	parsed, err := url.ParseRequestURI(below)
	if err != nil {
		return nil, cancel, fmt.Errorf("the path can't be parsed: %w", err)
	}
	header := http.Header{}
	for _, pair := range head.Headers {
		header.Add(pair[0], pair[1])
	}
	request := &http.Request{
		Method: head.Method, URL: parsed, RequestURI: target,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: header, Host: header.Get("Host"), RemoteAddr: "127.0.0.1:0",
		Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)),
	}
	header.Del("Host")
	if head.HasUpload {
		request.Body = &cloudboxUpload{nonce: head.Nonce}
		request.ContentLength = -1
		if length, err := strconv.ParseInt(header.Get("Content-Length"), 10, 64); err == nil {
			request.ContentLength = length
		}
	}
	return request.WithContext(ctx), cancel, nil
}

// cloudboxUpload is a request's body that is read as it comes: a piece for each that is asked for.
type cloudboxUpload struct {
	nonce string
	rest  []byte
	err   error
}

func (u *cloudboxUpload) Read(into []byte) (int, error) {
	if len(u.rest) == 0 && u.err == nil {
		u.rest, u.err = cloudboxHostCalls.call(u.nonce, "body.read", nil)
		if len(u.rest) == 0 && u.err == nil {
			u.err = io.EOF
		}
	}
	if len(u.rest) == 0 {
		return 0, u.err
	}
	n := copy(into, u.rest)
	u.rest = u.rest[n:]
	return n, nil
}

func (u *cloudboxUpload) Close() error { return nil }

// cloudboxWriter keeps what a handler writes, until it flushes or writes more than an answer may have: from then on what it
// writes is sent as it comes, where the caller takes that.
type cloudboxWriter struct {
	head   *cloudboxInvokeHead
	header http.Header
	// sent is the header as it was when the status was written.
	sent   http.Header
	status int
	body   bytes.Buffer
	// isStreamed is whether the head was sent; fault is why it could not be.
	isStreamed bool
	fault      *cloudboxFault
}

func (w *cloudboxWriter) Header() http.Header { return w.header }

func (w *cloudboxWriter) WriteHeader(status int) {
	if w.status == 0 && status >= 200 {
		w.status, w.sent = status, w.header.Clone()
	}
}

func (w *cloudboxWriter) Write(part []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	n, err := w.body.Write(part)
	if w.head.MayStream && (w.body.Len() > w.head.MaxResponseBytes || w.isStreamed && w.body.Len() > cloudboxMaxChunk) {
		w.Flush()
	}
	return n, err
}

// Flush sends what was written, where the caller takes answers as they come.
func (w *cloudboxWriter) Flush() {
	w.WriteHeader(http.StatusOK)
	if !w.head.MayStream || w.fault != nil {
		return
	}
	if !w.isStreamed {
		headers, fault := w.headers()
		if fault != nil {
			w.fault = fault
			return
		}
		header, _ := json.Marshal(&cloudboxReply{Nonce: w.head.Nonce, Status: w.status, Headers: headers, IsStreamed: true})
		cloudboxPipes.beginStream(w.head, header)
		w.isStreamed = true
	}
	cloudboxPiece(w.head.Nonce, w.body.Bytes())
	w.body.Reset()
}

// names is the names of the headers as they are sent.
func (w *cloudboxWriter) names() []string {
	body := w.body.Bytes()
	if w.sent.Get("Content-Type") == "" && len(body) > 0 {
		w.sent.Set("Content-Type", http.DetectContentType(body))
	}
	w.sent.Del("Content-Length")
	names := make([]string, 0, len(w.sent))
	for name := range w.sent {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

// headers is the headers as they are sent.
func (w *cloudboxWriter) headers() ([][2]string, *cloudboxFault) {
	headers := [][2]string{}
	for _, name := range w.names() {
		for _, value := range w.sent[name] {
			if !cloudboxHeaderName.MatchString(name) || strings.ContainsAny(value, "\r\n\x00") {
				return nil, cloudboxUnfit("the response has an impossible header: %q", name)
			}
			headers = append(headers, [2]string{strings.ToLower(name), value})
		}
	}
	return headers, nil
}

// reply is the answer; in raw mode it is the value that stands for it.
func (w *cloudboxWriter) reply(head *cloudboxInvokeHead) (*cloudboxReply, *cloudboxFault) {
	w.WriteHeader(http.StatusOK)
	if w.isStreamed {
		w.Flush()
		return nil, nil
	}
	if w.fault != nil {
		return nil, w.fault
	}
	if head.Mode != "http" {
		return cloudboxAnswer(head, w.value(w.names()))
	}
	headers, fault := w.headers()
	if fault != nil {
		return nil, fault
	}
	body := w.body.Bytes()
	if len(body) > head.MaxResponseBytes {
		return nil, cloudboxTooLarge(len(body), head.MaxResponseBytes)
	}
	return &cloudboxReply{Nonce: head.Nonce, Status: w.status, Headers: headers, body: body}, nil
}

func (w *cloudboxWriter) value(names []string) interface{} {
	headers := map[string]interface{}{}
	for _, name := range names {
		if values := w.sent[name]; len(values) == 1 {
			headers[strings.ToLower(name)] = values[0]
		} else {
			headers[strings.ToLower(name)] = values
		}
	}
	text, isText := w.body.String(), utf8.Valid(w.body.Bytes())
	if !isText {
		text = base64.StdEncoding.EncodeToString(w.body.Bytes())
	}
	return map[string]interface{}{"statusCode": w.status, "headers": headers, "body": text, "isBase64Encoded": !isText}
}
