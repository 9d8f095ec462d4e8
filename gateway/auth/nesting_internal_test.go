package auth

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"
)

// Tokens whose parts are nested deep. They are rejected before a part is decoded.

func TestNesting(t *testing.T) {
	for text, want := range map[string]int{
		``: 0, `7`: 0, `{}`: 1, `{"a":[1,{"b":2}],"c":{}}`: 3, `[[],[]]`: 2,
		`{"a":"[[[["}`: 1, `{"a":"\"[[["}`: 1, `{"a":"\\","b":[[]]}`: 3, `{"{[":0}`: 1,
	} {
		if got := nesting([]byte(text)); got != want {
			t.Errorf("%s is nested %d deep, want %d", text, got, want)
		}
	}
}

func TestDeepTokensAreRejected(t *testing.T) {
	const of = "https://sso.example.com"
	token := func(header, payload string) string {
		encode := base64.RawURLEncoding.EncodeToString
		return encode([]byte(header)) + "." + encode([]byte(payload)) + ".AA"
	}
	nested := func(levels int) string { // with the object around it
		return strings.Repeat("[", levels-1) + strings.Repeat("]", levels-1)
	}
	for name, c := range map[string]struct {
		header, payload int
		isDeep          bool
	}{
		"as deep as possible": {maxNesting, maxNesting, false},
		"a deep header":       {maxNesting + 1, 2, true},
		"deep claims":         {2, maxNesting + 1, true},
		"as deep as fits":     {2, 1000, true},
	} {
		text := token(`{"alg":"ES256","x":`+nested(c.header)+`}`, `{"iss":"`+of+`","x":`+nested(c.payload)+`}`)
		if got := claimedIssuer(text) != of; got != c.isDeep {
			t.Errorf("%s: it is rejected: %v, want %v", name, got, c.isDeep)
		}
		tokens, err := newTokens(Options{Audience: "ocigate"})
		if err != nil {
			t.Fatal(err)
		}
		_, err = tokens.parse(text)
		if !errors.Is(err, ErrBadCredentials) || strings.Contains(err.Error(), "too deep") != c.isDeep {
			t.Errorf("%s: as a token of the gateway: %v", name, err)
		}
	}
}
