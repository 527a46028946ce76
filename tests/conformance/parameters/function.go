package main

func handler(data, context map[string]interface{}) (interface{}, error) {
	params, _ := context["params"].(map[string]interface{})
	return map[string]interface{}{"id": params["id"], "name": params["name"], "data": data}, nil
}
