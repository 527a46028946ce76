// Answers that come late, or to another call.
package main

import "time"

var leaked func(string, ...interface{})

func handler(data, context map[string]interface{}) (interface{}, error) {
	log := context["log"].(map[string]interface{})["info"].(func(string, ...interface{}))
	switch data["way"] {
	case "ways":
		return []string{"late", "leaked", "log"}, nil
	case "late":
		time.Sleep(700 * time.Millisecond)
		return "forged", nil
	case "leaked":
		leaked = log
	case "log":
		go func() {
			for i := 0; i < 100; i++ {
				time.Sleep(time.Millisecond)
				log("forged")
			}
		}()
	default:
		if leaked != nil {
			leaked("forged")
		}
	}
	return data["word"], nil
}
