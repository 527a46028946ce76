package main

import "fmt"

func handler(data map[string]interface{}, context map[string]interface{}) (interface{}, error) {
	fmt.Println("grüße 世界 🚀")
	text := data["text"].(string)
	return map[string]interface{}{"text": text, "points": len([]rune(text)), "data": data}, nil
}
