package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
)

// cloudbox gives what a context holds, ready to be used: cloudbox.DB(context).Entity("users").FindMany(nil).
var cloudbox cloudboxHelpers

type cloudboxHelpers struct{}

// DB is context["db"]: documents that the service keeps for the project.
func (cloudboxHelpers) DB(context map[string]interface{}) *cloudboxDatabase {
	database, _ := context["db"].(*cloudboxDatabase)
	return database
}

// Code is what an error of the database says to programs, such as CONFLICT; "" for any other error.
func (cloudboxHelpers) Code(err error) string {
	var refused *cloudboxHostCallError
	if errors.As(err, &refused) {
		return refused.Code
	}
	return ""
}

// cloudboxDatabase is context["db"].
type cloudboxDatabase struct {
	call func(method string, arguments interface{}) (json.RawMessage, error)
}

// cloudboxDatabaseOf is the database as the call with this nonce may use it.
func cloudboxDatabaseOf(nonce string) *cloudboxDatabase {
	return &cloudboxDatabase{call: func(method string, arguments interface{}) (json.RawMessage, error) {
		return cloudboxHostCalls.call(nonce, method, arguments)
	}}
}

// Entity is the documents of an entity, whatever its name.
func (d *cloudboxDatabase) Entity(name string) *cloudboxEntity {
	if d == nil {
		return &cloudboxEntity{name: name}
	}
	return &cloudboxEntity{call: d.call, name: name}
}

// cloudboxEntity is the documents of one entity. What filters and options mean is the service's matter.
type cloudboxEntity struct {
	call func(method string, arguments interface{}) (json.RawMessage, error)
	name string
}

// do carries out an operation and decodes its result.
func (e *cloudboxEntity) do(operation string, into interface{}, arguments ...interface{}) error {
	if e.call == nil {
		return fmt.Errorf("db.%s: this is not the context of a call", operation)
	}
	if arguments == nil {
		arguments = []interface{}{}
	}
	result, err := e.call("db."+operation, map[string]interface{}{"entity": e.name, "args": arguments})
	if err != nil {
		return err
	}
	return json.Unmarshal(result, into)
}

// FindMany gives the documents that fit: FindMany(filter, options), both optional.
func (e *cloudboxEntity) FindMany(arguments ...interface{}) (documents []map[string]interface{}, err error) {
	err = e.do("findMany", &documents, arguments...)
	return documents, err
}

// FindInto decodes the documents that fit into a slice: FindInto(&users, filter, options).
func (e *cloudboxEntity) FindInto(into interface{}, arguments ...interface{}) error {
	return e.do("findMany", into, arguments...)
}

// FindOne gives the first document that fits an id or a filter, nil where there is none.
func (e *cloudboxEntity) FindOne(arguments ...interface{}) (document map[string]interface{}, err error) {
	err = e.do("findOne", &document, arguments...)
	return document, err
}

// Count gives how many fit a filter.
func (e *cloudboxEntity) Count(arguments ...interface{}) (count int64, err error) {
	err = e.do("count", &count, arguments...)
	return count, err
}

// Create makes a document of a map or a struct, and gives it.
func (e *cloudboxEntity) Create(fields interface{}) (document map[string]interface{}, err error) {
	err = e.do("create", &document, fields)
	return document, err
}

// Update changes fields of the one document that fits an id or a filter, and gives it, nil where there is none.
func (e *cloudboxEntity) Update(which, changes interface{}) (document map[string]interface{}, err error) {
	err = e.do("update", &document, which, changes)
	return document, err
}

// UpdateMany changes fields of all documents that fit, and gives how many.
func (e *cloudboxEntity) UpdateMany(filter, changes interface{}) (count int64, err error) {
	err = e.do("updateMany", &count, filter, changes)
	return count, err
}

// Delete deletes the one document that fits an id or a filter, and gives whether there was one.
func (e *cloudboxEntity) Delete(which interface{}) (wasThere bool, err error) {
	err = e.do("delete", &wasThere, which)
	return wasThere, err
}

// DeleteMany deletes all documents that fit, and gives how many.
func (e *cloudboxEntity) DeleteMany(filter interface{}) (count int64, err error) {
	err = e.do("deleteMany", &count, filter)
	return count, err
}

// cloudboxClient is context["http"], in programs that are compiled with it.
var cloudboxClient interface{}

// cloudboxConfig is the author's variable `config`; the generated glue sets it where there is one.
var cloudboxConfig interface{}

// cloudboxMissingEnvironment is the variables that config["env_required"] names and that are not set.
func cloudboxMissingEnvironment(config interface{}) []string {
	fields, _ := config.(map[string]interface{})
	var names []string
	switch required := fields["env_required"].(type) {
	case []string:
		names = required
	case []interface{}:
		for _, name := range required {
			names = append(names, fmt.Sprint(name))
		}
	}
	var missing []string
	for _, name := range names {
		if _, isSet := os.LookupEnv(name); !isSet {
			missing = append(missing, name)
		}
	}
	return missing
}
