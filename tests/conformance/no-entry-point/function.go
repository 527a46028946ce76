package main

func hander(data, context map[string]interface{}) (int, error) {
	return 1, nil
}
