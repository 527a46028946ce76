package main

import (
	"errors"
	"fmt"
)

func handler(data, context map[string]interface{}) (string, error) {
	fmt.Println("before")
	if data["fail"].(bool) {
		return "", errors.New("the secret is 42")
	}
	return "fine", nil
}
