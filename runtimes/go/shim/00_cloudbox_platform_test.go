package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"reflect"
	"testing"
)

func TestOperationsGoAsTheyAre(t *testing.T) {
	var asked []string
	database := &cloudboxDatabase{call: func(method string, arguments interface{}) (json.RawMessage, error) {
		text, _ := json.Marshal(arguments)
		asked = append(asked, method+" "+string(text))
		answers := map[string]string{"db.count": "3", "db.delete": "true", "db.findMany": `[{"name":"Ada"}]`, "db.findOne": "null"}
		if method == "db.create" {
			return nil, fmt.Errorf("made: %w", &cloudboxHostCallError{Code: "CONFLICT", Message: "taken"})
		}
		return json.RawMessage(answers[method]), nil
	}}
	users := cloudbox.DB(map[string]interface{}{"db": database}).Entity("users")
	count, _ := users.Count()
	gone, _ := users.Delete("7")
	var typed []struct{ Name string }
	into := users.FindInto(&typed, nil, map[string]interface{}{"limit": 1})
	none, err := users.FindOne("nobody")
	if count != 3 || !gone || into != nil || typed[0].Name != "Ada" || none != nil || err != nil {
		t.Error(count, gone, into, typed, none, err)
	}
	_, err = users.Create(map[string]interface{}{"id": 1})
	if cloudbox.Code(err) != "CONFLICT" || cloudbox.Code(errors.New("other")) != "" {
		t.Error(err)
	}
	expected := []string{
		`db.count {"args":[],"entity":"users"}`, `db.delete {"args":["7"],"entity":"users"}`,
		`db.findMany {"args":[null,{"limit":1}],"entity":"users"}`, `db.findOne {"args":["nobody"],"entity":"users"}`,
		`db.create {"args":[{"id":1}],"entity":"users"}`,
	}
	if !reflect.DeepEqual(asked, expected) {
		t.Error(asked)
	}
	if _, err := cloudbox.DB(nil).Entity("users").FindMany(); err == nil {
		t.Error("there is no database without a context")
	}
}

func TestMissingVariables(t *testing.T) {
	os.Setenv("CLOUDBOX_SHIM_TEST", "set")
	for _, config := range []interface{}{
		map[string]interface{}{"env_required": []string{"CLOUDBOX_SHIM_TEST", "NOT_SET_51"}},
		map[string]interface{}{"env_required": []interface{}{"NOT_SET_51"}},
	} {
		if missing := cloudboxMissingEnvironment(config); !reflect.DeepEqual(missing, []string{"NOT_SET_51"}) {
			t.Error(missing)
		}
	}
	for _, config := range []interface{}{nil, 5, map[string]interface{}{}, map[string]string{"env_required": "A"}} {
		if missing := cloudboxMissingEnvironment(config); missing != nil {
			t.Error(missing)
		}
	}
}
