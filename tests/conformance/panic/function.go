package main

func handler(data, context map[string]interface{}) (string, error) {
	values := map[string]interface{}{"there": "value"}
	return values[data["key"].(string)].(string), nil
}
