package main

import "math"

func handler(data map[string]interface{}, context map[string]interface{}) (interface{}, error) {
	if data["bad"].(bool) {
		return math.Inf(1), nil
	}
	return "fine", nil
}
