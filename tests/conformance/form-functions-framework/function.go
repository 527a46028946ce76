// Package helloworld provides a function that greets.
package helloworld

import (
	"encoding/json"
	"fmt"
	"net/http"
)

// HelloHttp is an HTTP function with a request's parameter.
func HelloHttp(w http.ResponseWriter, r *http.Request) {
	var d struct {
		Name string `json:"name"`
	}
	w.Header().Set("X-Kind", "other")
	if r.Header.Get("Content-Type") == "application/json" {
		w.Header().Set("X-Kind", "json")
		if err := json.NewDecoder(r.Body).Decode(&d); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
	}
	if name := r.URL.Query().Get("name"); name != "" {
		d.Name = name
	}
	if d.Name == "" {
		d.Name = "World"
	}
	fmt.Fprintf(w, "Hello %s!", d.Name)
}
