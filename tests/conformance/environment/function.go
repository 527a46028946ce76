package main

import "os"

func handler(data, context map[string]interface{}) (map[string]interface{}, error) {
	answer := map[string]interface{}{
		"key":            os.Getenv("API_KEY"),
		"empty":          os.Getenv("EMPTY"),
		"words":          os.Getenv("WORDS"),
		"of_the_service": nil,
	}
	if value, there := os.LookupEnv("CLOUDBOX_ADMIN_TOKEN"); there {
		answer["of_the_service"] = value
	}
	switch env := context["env"].(type) {
	case map[string]interface{}:
		answer["from_context"] = env["API_KEY"]
	case map[string]string:
		answer["from_context"] = env["API_KEY"]
	}
	return answer, nil
}
