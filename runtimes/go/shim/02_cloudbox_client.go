package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// This file is compiled with functions that import net/http or speak of the context's client, and with no others.

func init() { cloudboxClient = &cloudboxHTTPClient{} }

// HTTP is context["http"]: a client over net/http.
func (cloudboxHelpers) HTTP(context map[string]interface{}) *cloudboxHTTPClient {
	return &cloudboxHTTPClient{}
}

// cloudboxHTTPClient is context["http"].
type cloudboxHTTPClient struct{}

// cloudboxHTTPError is an answer of 400 and more.
type cloudboxHTTPError struct {
	Method, URL string
	Status      int
	Headers     map[string]interface{}
	Data        interface{}
}

func (e *cloudboxHTTPError) Error() string {
	return fmt.Sprintf("%s %s: status %d", e.Method, e.URL, e.Status)
}

// Request sends a request: method, url, query, headers, body, timeout (ms); it gives status, headers and data, whatever
// the status. A body is bytes, text, or what is sent as JSON.
func (c *cloudboxHTTPClient) Request(options map[string]interface{}) (map[string]interface{}, error) {
	method, _ := options["method"].(string)
	target, _ := options["url"].(string)
	parsed, err := url.Parse(target)
	if err != nil {
		return nil, err
	}
	if query, hasQuery := options["query"].(map[string]interface{}); hasQuery {
		values := parsed.Query()
		for name, value := range query {
			values.Add(name, fmt.Sprint(value))
		}
		parsed.RawQuery = values.Encode()
	}
	body, kind, err := cloudboxContent(options["body"])
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequest(strings.ToUpper(method), parsed.String(), body)
	if err != nil {
		return nil, err
	}
	if kind != "" {
		request.Header.Set("Content-Type", kind)
	}
	switch headers := options["headers"].(type) {
	case map[string]interface{}:
		for name, value := range headers {
			request.Header.Set(name, fmt.Sprint(value))
		}
	case map[string]string:
		for name, value := range headers {
			request.Header.Set(name, value)
		}
	}
	client := &http.Client{Timeout: cloudboxMilliseconds(options["timeout"])}
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	headers := map[string]interface{}{}
	for name, values := range response.Header {
		headers[strings.ToLower(name)] = strings.Join(values, ", ")
	}
	var data interface{} = string(text)
	if strings.Contains(response.Header.Get("Content-Type"), "json") && len(text) > 0 {
		if err := json.Unmarshal(text, &data); err != nil {
			return nil, err
		}
	}
	return map[string]interface{}{"status": response.StatusCode, "headers": headers, "data": data}, nil
}

func cloudboxContent(body interface{}) (io.Reader, string, error) {
	switch body := body.(type) {
	case nil:
		return nil, "", nil
	case string:
		return strings.NewReader(body), "", nil
	case []byte:
		return bytes.NewReader(body), "", nil
	}
	text, err := json.Marshal(body)
	return bytes.NewReader(text), "application/json", err
}

func cloudboxMilliseconds(value interface{}) time.Duration {
	switch value := value.(type) {
	case int:
		return time.Duration(value) * time.Millisecond
	case float64:
		return time.Duration(value * float64(time.Millisecond))
	}
	return 0
}

// data is the data of an answer; one of 400 and more is an error.
func (c *cloudboxHTTPClient) data(method, target string, body interface{}, options []map[string]interface{}) (interface{}, error) {
	all := map[string]interface{}{}
	for _, some := range options {
		for name, value := range some {
			all[name] = value
		}
	}
	all["method"], all["url"] = method, target
	if body != nil {
		all["body"] = body
	}
	answer, err := c.Request(all)
	if err != nil {
		return nil, err
	}
	if status := answer["status"].(int); status >= 400 {
		headers := answer["headers"].(map[string]interface{})
		return nil, &cloudboxHTTPError{method, target, status, headers, answer["data"]}
	}
	return answer["data"], nil
}

// Get gives the data of an answer; a status of 400 and more is an error.
func (c *cloudboxHTTPClient) Get(target string, options ...map[string]interface{}) (interface{}, error) {
	return c.data("GET", target, nil, options)
}

// Delete is as Get.
func (c *cloudboxHTTPClient) Delete(target string, options ...map[string]interface{}) (interface{}, error) {
	return c.data("DELETE", target, nil, options)
}

// Post is as Get, with a body.
func (c *cloudboxHTTPClient) Post(target string, body interface{}, options ...map[string]interface{}) (interface{}, error) {
	return c.data("POST", target, body, options)
}

// Put is as Post.
func (c *cloudboxHTTPClient) Put(target string, body interface{}, options ...map[string]interface{}) (interface{}, error) {
	return c.data("PUT", target, body, options)
}

// Patch is as Post.
func (c *cloudboxHTTPClient) Patch(target string, body interface{}, options ...map[string]interface{}) (interface{}, error) {
	return c.data("PATCH", target, body, options)
}
