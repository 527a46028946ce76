package main

func init() {
	panic("not today")
}

func handler(data, context map[string]interface{}) (int, error) {
	return 1, nil
}
