package main

type values map[string]interface{}

func handler(data map[string]interface{}, context map[string]interface{}) (interface{}, error) {
	return values{
		"text":     values{"statusCode": 201, "headers": values{"Content-Type": "text/plain", "X-Mine": "yes"}, "body": "made"},
		"json":     values{"statusCode": 422, "body": values{"problem": "name"}},
		"redirect": values{"statusCode": 302, "headers": values{"Location": "/elsewhere"}, "body": ""},
		"bad":      values{"statusCode": 99, "body": "no such status"},
	}[data["kind"].(string)], nil
}
