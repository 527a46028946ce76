package main

func handler(data, context map[string]interface{}) (map[string]int, error) {
	n := int(data["n"].(float64))
	parts := make(chan int)
	for i := 0; i < n; i++ {
		go func(i int) { parts <- i }(i)
	}
	sum := 0
	for i := 0; i < n; i++ {
		sum += <-parts
	}
	return map[string]int{"sum": sum}, nil
}
