package main

var config = map[string]interface{}{"env_required": []string{"API_KEY", "DATABASE_URL", "OTHER"}}

func handler(data, context map[string]interface{}) (string, error) {
	return "never", nil
}
