package main

type object = map[string]interface{}

func names(documents []object) []interface{} {
	names := []interface{}{}
	for _, document := range documents {
		names = append(names, document["name"])
	}
	return names
}

func handler(data, context map[string]interface{}) (interface{}, error) {
	users := cloudbox.DB(context).Entity("users")
	if data["fail"] == true {
		return fail(users)
	}
	john, err := users.Create(object{"name": "John", "age": 36, "address": object{"city": "Oslo"}})
	if err != nil {
		return nil, err
	}
	users.Create(object{"id": "123", "name": "Ada", "age": 28})
	users.Create(struct {
		Name string  `json:"name"`
		Age  float64 `json:"age"`
	}{"Bo", 40.5})
	ada, _ := users.FindOne(object{"id": "123"})
	missing, err := users.FindOne("nobody")
	if err != nil {
		return nil, err
	}
	older, _ := users.FindMany(object{"age": object{"$gt": 30}})
	sorted, _ := users.FindMany(nil, object{"sort": "-age", "limit": 1})
	changed, _ := users.Update("123", object{"age": 29})
	all, _ := users.Count()
	some, _ := users.Count(object{"age": object{"$gte": 36}})
	inside, _ := users.Count(object{"address.city": "Oslo"})
	first, _ := users.Delete("123")
	second, _ := users.Delete("123")
	many, _ := users.DeleteMany(object{})
	left, err := users.FindMany()
	id := john["id"].(string)
	return object{
		"created": []interface{}{john["name"], john["address"].(object)["city"], len(id) > 10, john["created_at"] == john["updated_at"]},
		"found":   []interface{}{ada["id"], ada["name"]},
		"missing": missing,
		"older":   names(older),
		"sorted":  names(sorted),
		"changed": []interface{}{changed["age"], changed["name"]},
		"counts":  []interface{}{all, some, inside},
		"deleted": []interface{}{first, second, many},
		"left":    len(left),
	}, err
}

func fail(users *cloudboxEntity) (interface{}, error) {
	if _, err := users.Create(object{"id": "one"}); err != nil {
		return nil, err
	}
	_, taken := users.Create(object{"id": "one"})
	_, wrong := users.FindMany(object{"age": object{"$regex": "x"}})
	_, err := users.Delete("one")
	return []string{cloudbox.Code(taken), cloudbox.Code(wrong)}, err
}
