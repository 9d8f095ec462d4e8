package operation_test

import (
	"testing"

	"ocigate/gateway/operation"
)

// These tests specify which callers are the same.

func TestCallersOfOneNameDiffer(t *testing.T) {
	t.Parallel()
	seen := map[string]operation.Caller{}
	for _, c := range []operation.Caller{
		{Name: "ada", Method: "token"},
		{Name: "ada", Method: "basic", Client: true},
		{Name: "ada", Method: operation.MethodExternal},
		{Name: "https://sso.example.com#ada", Method: "token"},
		{Name: "https://sso.example.com#ada", Method: operation.MethodExternal},
	} {
		if other, taken := seen[c.Principal()]; taken {
			t.Errorf("%+v and %+v are both %q", c, other, c.Principal())
		}
		seen[c.Principal()] = c
	}
	cookie, token := operation.Caller{Name: "ada", Method: "cookie"}, operation.Caller{Name: "ada", Method: "token"}
	if cookie.Principal() != token.Principal() {
		t.Error("a user has two principals")
	}
}
