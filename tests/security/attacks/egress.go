package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
)

func handler(data, context map[string]interface{}) (interface{}, error) {
	client := http.DefaultClient
	if authority, ok := data["authority"].(string); ok {
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM([]byte(authority))
		client = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, DisableKeepAlives: true}}
	}
	url := data["url"].(string)
	var response *http.Response
	var err error
	if body, ok := data["body"].(string); ok {
		response, err = client.Post(url, "text/plain", bytes.NewBufferString(body))
	} else {
		response, err = client.Get(url)
	}
	if err != nil {
		return map[string]interface{}{"error": err.Error()}, nil
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	return map[string]interface{}{"status": response.StatusCode, "text": string(text)}, nil
}
