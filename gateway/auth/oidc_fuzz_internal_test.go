package auth

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"
)

// These fuzz tests specify what holds for every token and for all claims. To run one:
// go test ./gateway/auth -fuzz FuzzClaimedIssuer.

// FuzzClaimedIssuer requires that the reader which is chosen for a token sees the same
// issuer as the choice did, so that no token is read by two different values.
func FuzzClaimedIssuer(f *testing.F) {
	for _, payload := range []string{
		`{"iss":"https://sso.example.com"}`, `{"iss":"ocigate","iss":"https://sso.example.com"}`, `{"Iss":"x","ISS":"y"}`,
		`{"iss":["x"]}`, `{"iss":null}`, `[]`, ``, `{"iss":"x"} {}`, `{"i\u0073s":"x"}`, `{"iss":"\ud800"}`, `{"a":{"b":[1,{"c":1,"c":2}]},"iss":"x"}`, "{\"iss\":\"\xff\"}",
	} {
		f.Add(payload)
	}
	f.Fuzz(func(t *testing.T, payload string) {
		text := "eyJhbGciOiJFUzI1NiJ9." + base64.RawURLEncoding.EncodeToString([]byte(payload)) + ".AA"
		claimed := claimedIssuer(text)
		claims := jwt.MapClaims{}
		_, _, err := jwt.NewParser(jwt.WithStrictDecoding()).ParseUnverified(text, claims)
		if claimed == "" {
			return
		}
		if err != nil {
			t.Fatalf("issuer %q of a token that cannot be read: %v", claimed, err)
		}
		if read, err := claims.GetIssuer(); err != nil || read != claimed {
			t.Errorf("issuer %q, but the reader sees %q, %v", claimed, read, err)
		}
		var raw map[string]json.RawMessage
		if err := json.Unmarshal([]byte(payload), &raw); err != nil || strings.Count(payload, `"iss"`) > 1 && len(raw) == 1 {
			t.Errorf("issuer %q of %q, %v", claimed, payload, err)
		}
	})
}

// FuzzPrincipalOf requires that claims give a principal with a mapped level and the
// scope of that level, or a ClaimError.
func FuzzPrincipalOf(f *testing.F) {
	for _, claims := range []string{
		`{"a":{"roles":["system"]}}`, `{"a":{"roles":"tenant"},"tenant":"A"}`, `{"a":{"roles":["group","system"]},"tenant":"A","group":["B"]}`,
		`{"a":{"roles":"user"},"tenant":"A","group":"B","user":"C"}`, `{"a":[]}`, `{"a":{"roles":[[]]}}`, `{}`, `{"a":{"roles":"tenant"},"tenant":" "}`,
	} {
		f.Add(claims, "a.roles")
	}
	f.Add(`{"a/b":"system"}`, "/a~1b")
	f.Add(`{"scope":"openid system"}`, "scope")
	mapped := []LevelValue{{"system", SystemAdmin}, {"tenant", TenantAdmin}, {"group", GroupAdmin}, {"user", EndUser}}
	f.Fuzz(func(t *testing.T, text, path string) {
		var claims map[string]any
		if json.Unmarshal([]byte(text), &claims) != nil {
			return
		}
		issuer, err := NewIssuer(IssuerOptions{
			URL: "https://sso.example.com", Audiences: []string{"ocigate"},
			Claims: ClaimMapping{Level: path, Levels: mapped, TenantID: "tenant", GroupID: "group", UserID: "user"},
		})
		if err != nil {
			if path != "" && ClaimPathProblem(path) == "" {
				t.Errorf("path %q: %v", path, err)
			}
			return
		}
		p, err := issuer.principalOf("ada", claims)
		if err != nil {
			if _, ok := errors.AsType[*ClaimError](err); !ok || p != (Principal{}) {
				t.Errorf("principal %+v, error %v", p, err)
			}
			return
		}
		known := slices.ContainsFunc(mapped, func(l LevelValue) bool { return l.Level == p.Level })
		if !known || p.checkScope() != nil || (p.Level == EndUser) != (p.UserID != "") || p.Name != "https://sso.example.com#ada" || p.Method != MethodOIDC {
			t.Errorf("principal %+v of %s", p, text)
		}
	})
}
