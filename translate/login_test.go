package translate_test

// This file specifies the body of a login. A new case is a body in the table.

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ocigate/translate"
	"ocigate/translate/errcode"
)

func TestDecodeLogin(t *testing.T) {
	for name, test := range map[string]struct {
		body string
		want []string // the pointers of the problems
		code *errcode.Code
	}{
		"accepts the documented form":          {`{"username":"a","password":"b"}`, nil, nil},
		"rejects a body that is not an object": {`["a","b"]`, nil, errcode.BadMediaType},
		"rejects an empty body":                {``, nil, errcode.BadMediaType},
		"names all missing keys":               {`{}`, []string{"/username", "/password"}, errcode.JSONSchemaValidation},
		"rejects another letter case":          {`{"Username":"a","password":"b"}`, []string{"/Username", "/username"}, errcode.JSONSchemaValidation},
		"rejects a repeated key":               {`{"username":"a","password":"b","password":"c"}`, []string{"/password"}, errcode.JSONSchemaValidation},
		"rejects other types":                  {`{"username":1,"password":null}`, []string{"/username", "/password"}, errcode.JSONSchemaValidation},
		"rejects an empty text":                {`{"username":"","password":"b"}`, []string{"/username"}, errcode.JSONSchemaValidation},
	} {
		t.Run(name, func(t *testing.T) {
			username, password, err := translate.DecodeLogin([]byte(test.body))
			if test.code == nil {
				if err != nil || username != "a" || password != "b" {
					t.Errorf("got %q, %q, %v", username, password, err)
				}
				return
			}
			apiError, ok := errors.AsType[*errcode.Error](err)
			if !ok || apiError.Code != test.code {
				t.Fatalf("got %v", err)
			}
			var pointers []string
			for _, p := range apiError.Problems {
				pointers = append(pointers, p.Pointer)
			}
			if diff := cmp.Diff(test.want, pointers); diff != "" {
				t.Errorf("pointers (-want +got):\n%s", diff)
			}
		})
	}
}
