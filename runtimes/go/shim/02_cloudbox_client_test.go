package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"testing"
)

func TestTheClient(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(writer http.ResponseWriter, request *http.Request) {
		writer.Header().Set("Content-Type", "application/json")
		if request.URL.Path == "/no" {
			writer.WriteHeader(503)
		}
		fmt.Fprintf(writer, `{"method":%q,"query":%q,"type":%q}`, request.Method, request.URL.RawQuery, request.Header.Get("Content-Type"))
	}))
	defer server.Close()
	client := cloudbox.HTTP(nil)
	got, err := client.Get(server.URL, map[string]interface{}{"query": map[string]interface{}{"a": "b c"}})
	if err != nil || !reflect.DeepEqual(got, map[string]interface{}{"method": "GET", "query": "a=b+c", "type": ""}) {
		t.Error(got, err)
	}
	posted, err := client.Post(server.URL, map[string]interface{}{"data": 1})
	if err != nil || posted.(map[string]interface{})["type"] != "application/json" {
		t.Error(posted, err)
	}
	_, err = client.Delete(server.URL + "/no")
	refused, isStatus := err.(*cloudboxHTTPError)
	if !isStatus || refused.Status != 503 {
		t.Error(err)
	}
	answer, err := client.Request(map[string]interface{}{"method": "put", "url": server.URL + "/no", "body": "text"})
	if err != nil || answer["status"] != 503 {
		t.Error(answer, err)
	}
}
