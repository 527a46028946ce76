package main

import "strings"

func handler(data map[string]interface{}, context map[string]interface{}) (map[string]interface{}, error) {
	return map[string]interface{}{
		"method":   context["method"],
		"path":     context["path"],
		"test":     context["headers"].(map[string]interface{})["x-test"],
		"query":    context["query"],
		"name":     context["functionName"],
		"project":  context["projectId"],
		"version":  context["version"],
		"has_id":   len(context["invocationId"].(string)) > 8,
		"has_time": strings.HasPrefix(context["timestamp"].(string), "20"),
	}, nil
}
