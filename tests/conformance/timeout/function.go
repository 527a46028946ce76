package main

import (
	"fmt"
	"time"
)

func handler(data map[string]interface{}, context map[string]interface{}) (string, error) {
	for data["how"] == "spin" {
	}
	if data["how"] == "sleep" {
		fmt.Println("sleeping")
		time.Sleep(time.Minute)
	}
	return "fine", nil
}
