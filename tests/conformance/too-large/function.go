package main

import "strings"

func handler(data map[string]interface{}, context map[string]interface{}) (string, error) {
	return strings.Repeat("x", int(data["mb"].(float64))<<20), nil
}
