package main

func handler(data, context map[string]interface{} (int, error) {
	return 1, nil
}
