package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"
)

// What the handler answers; any type that JSON can hold will do.
type Greeting struct {
	Greeting   string `json:"greeting"`
	From       string `json:"from"`
	Invocation string `json:"invocation"`
}

// The body, or the query of a request without one, comes as a map, and so does the request around it. There is no
// main: the program around the handler is made by the deploy.
func handler(data map[string]interface{}, context map[string]interface{}) (Greeting, error) {
	name := "world"
	if given, there := data["name"]; there {
		text, isText := given.(string)
		if !isText {
			// An error becomes a RUNTIME_ERROR; its text is for authenticated callers only.
			return Greeting{}, errors.New("name must be a text")
		}
		name = text
	}

	// What is printed becomes the invocation's logs: cloudbox logs hello-go
	fmt.Printf("%v %v greets %s\n", context["method"], context["path"], name)

	return Greeting{
		Greeting:   fmt.Sprintf("%s, %s!", os.Getenv("GREETING"), name),
		From:       runtime.Version(),
		Invocation: fmt.Sprint(context["invocationId"]),
	}, nil
}
