package main

import (
	"encoding/json"
	"fmt"
	"time"
)

type Answer struct {
	Hello string `json:"hello"`
	Extra string `json:"extra,omitempty"`
}

func handler(data map[string]interface{}, context map[string]interface{}) (Answer, error) {
	fmt.Printf("at %s\n", time.Now().Format(time.RFC3339))
	return Answer{Hello: data["name"].(string)}, nil
}
