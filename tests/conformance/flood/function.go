package main

import (
	"bytes"
	"os"
)

func handler(data map[string]interface{}, context map[string]interface{}) (string, error) {
	block := append(bytes.Repeat([]byte("x"), 1<<20-1), '\n')
	for i := 0; i < int(data["mb"].(float64)); i++ {
		os.Stdout.Write(block)
	}
	return "done", nil
}
