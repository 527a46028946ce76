package main

import (
	"fmt"
	"os"
)

func handler(data, context map[string]interface{}) (string, error) {
	fmt.Println("one")
	fmt.Fprintln(os.Stderr, "two")
	fmt.Println("three: ü")
	return "done", nil
}
