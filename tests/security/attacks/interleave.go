package main

import (
	"fmt"
	"time"
)

func handler(data, context map[string]interface{}) (interface{}, error) {
	time.Sleep(time.Duration(data["ms"].(float64)) * time.Millisecond)
	fmt.Println(data["word"])
	return map[string]interface{}{"word": data["word"], "length": len(data["filler"].(string))}, nil
}
