package main

import (
	"fmt"
	"os"
)

func handler(data map[string]interface{}, context map[string]interface{}) (string, error) {
	code := int(data["code"].(float64))
	if code < 0 {
		return "fine", nil
	}
	fmt.Println("leaving")
	os.Exit(code)
	return "", nil
}
