package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strings"
)

// read takes the facts of a response from its generated type, which has a field for the
// body of each status and media type.
func (a *Answer) read(response any) error {
	value := reflect.ValueOf(response).Elem()
	received, ok := value.FieldByName("HTTPResponse").Interface().(*http.Response)
	if !ok {
		return fmt.Errorf("%T has no HTTPResponse", response)
	}
	a.Status = received.StatusCode
	a.Header = map[string]string{}
	for name := range received.Header {
		a.Header[name] = received.Header.Get(name)
	}
	a.Body = string(value.FieldByName("Body").Bytes())
	for field, body := range value.Fields() {
		if !strings.Contains(field.Name, "JSON") || body.IsNil() {
			continue
		}
		if a.Typed != nil {
			return errors.New("the body has two types")
		}
		typed, err := json.Marshal(body.Interface())
		if err != nil {
			return err
		}
		a.Typed = typed
	}
	return nil
}
