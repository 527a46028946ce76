package main

import "encoding/base64"

func handler(data map[string]interface{}, context map[string]interface{}) (interface{}, error) {
	bytes := make([]byte, 256)
	for i := range bytes {
		bytes[i] = byte(i)
	}
	return map[string]interface{}{
		"statusCode":      200,
		"headers":         map[string]string{"Content-Type": "application/octet-stream"},
		"body":            base64.StdEncoding.EncodeToString(bytes),
		"isBase64Encoded": true,
	}, nil
}
