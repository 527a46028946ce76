package main

import "fmt"

type Input struct {
	Name string   `json:"name"`
	Tags []string `json:"tags"`
}

type Output struct {
	Greeting string `json:"greeting"`
	Count    int    `json:"count"`
}

func handler(input Input, context map[string]interface{}) (Output, error) {
	return Output{Greeting: fmt.Sprintf("Hello, %s!", input.Name), Count: len(input.Tags)}, nil
}
