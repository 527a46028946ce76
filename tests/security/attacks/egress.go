package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"os"
)

// useContext is for the platform's own client.
func useContext(data, context map[string]interface{}) (interface{}, error) {
	if authority, ok := data["authority"].(string); ok {
		if err := os.WriteFile("/tmp/context.pem", []byte(authority), 0o600); err != nil {
			return nil, err
		}
		// Read when the first certificate is looked at.
		os.Setenv("SSL_CERT_FILE", "/tmp/context.pem")
	}
	client, url := cloudbox.HTTP(context), data["url"].(string)
	var answer interface{}
	var err error
	if body, ok := data["body"].(string); ok {
		answer, err = client.Post(url, body)
	} else {
		answer, err = client.Get(url)
	}
	if err != nil {
		return map[string]interface{}{"error": err.Error()}, nil
	}
	return map[string]interface{}{"status": 200, "text": answer}, nil
}

func handler(data, context map[string]interface{}) (interface{}, error) {
	if data["client"] == "context" {
		return useContext(data, context)
	}
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
