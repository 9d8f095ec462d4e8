package auth_test

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"

	"ocigate/gateway/auth"
	"ocigate/gateway/auth/issuertest"
)

// These tests specify which tokens of an external issuer are accepted. To add a token,
// add an entry to one of the tables: the changes of its header and its claims.

type values = map[string]any

func TestExternalTokenIsAccepted(t *testing.T) {
	t.Parallel()
	from := issuertest.New(t)
	a := newExternalAuth(t, issuerOptions(from))
	for name, c := range map[string]struct{ header, claims values }{
		"without type":                     {},
		"of type JWT":                      {values{"typ": "JWT"}, nil},
		"of RFC 9068":                      {values{"typ": "at+jwt"}, nil},
		"with the full media type":         {values{"typ": "application/AT+JWT"}, nil},
		"of several audiences":             {nil, values{"aud": []string{"other", "ocigate"}}},
		"of a slow clock":                  {nil, values{"nbf": -time.Hour, "iat": -time.Hour}},
		"without iat":                      {nil, values{"iat": nil}},
		"larger than a cookie":             {nil, values{"more": strings.Repeat("x", 9000)}},
		"with an address of a key":         {values{"jku": from.URL + "/attacker", "x5u": from.URL + "/attacker"}, nil},
		"with names that differ by a case": {nil, values{"Iss": "https://other.example.com", "EXP": 1, "Sub": "eve"}},
	} {
		key := from.Keys()[0]
		p, err := a.authenticate(from.Sign(key, c.header, from.Claims(c.claims)))
		want := auth.Principal{Name: from.URL + "#ada", Level: auth.TenantAdmin, TenantID: "ApioSpTest", Method: auth.MethodOIDC}
		if err != nil || p != want {
			t.Errorf("a token %s: principal %+v, error %v", name, p, err)
		}
	}
	if n := from.Requests("/attacker"); n != 0 {
		t.Errorf("an address in a token was read %d times", n)
	}
	if n := from.Requests(issuertest.KeysPath); n != 1 {
		t.Errorf("%d fetches, want 1", n)
	}
}

func TestExternalTokenIsRejected(t *testing.T) {
	t.Parallel()
	from := issuertest.New(t)
	a := newExternalAuth(t, issuerOptions(from))
	own := from.Keys()[0]
	other := issuertest.NewKey(t, own.ID, own.Alg)
	for name, c := range map[string]struct {
		key            issuertest.Key
		header, claims values
		reason         string
	}{
		"of another audience":         {own, nil, values{"aud": "other"}, "audience"},
		"without audience":            {own, nil, values{"aud": nil}, "aud"},
		"with an empty audience":      {own, nil, values{"aud": []string{}}, "aud"},
		"that has expired":            {own, nil, values{"exp": -time.Second}, "expired"},
		"without exp":                 {own, nil, values{"exp": nil}, "exp"},
		"with a text as exp":          {own, nil, values{"exp": "tomorrow"}, "exp"},
		"that is not valid yet":       {own, nil, values{"nbf": time.Minute}, "not valid yet"},
		"from the future":             {own, nil, values{"iat": time.Minute}, "before issued"},
		"without sub":                 {own, nil, values{"sub": nil}, "sub"},
		"with a number as sub":        {own, nil, values{"sub": 7}, "sub"},
		"with a control character":    {own, nil, values{"sub": "a\x00"}, "sub"},
		"with half a character":       {own, nil, values{"sub": "a\uFFFD"}, "sub"},
		"with a long sub":             {own, nil, values{"sub": strings.Repeat("x", 256)}, "sub"},
		"bound to a key":              {own, nil, values{"cnf": values{"jkt": "x"}}, "cnf"},
		"of another key":              {other, nil, nil, "signature"},
		"of an unknown key":           {issuertest.NewKey(t, "9", "ES256"), nil, values{"iat": -time.Hour}, "no such key"},
		"of an algorithm not listed":  {issuertest.NewKey(t, "first", "ES384"), nil, nil, "signing method ES384 is invalid"},
		"of an algorithm of no key":   {issuertest.NewKey(t, "first", "RS256"), nil, values{"iat": -time.Hour}, "no such key"},
		"of a logout":                 {own, values{"typ": "logout+jwt"}, nil, "typ"},
		"of DPoP":                     {own, values{"typ": "dpop+jwt"}, nil, "typ"},
		"with a number as type":       {own, values{"typ": 1}, nil, "typ"},
		"with an extension":           {own, values{"crit": []string{"b64"}, "b64": true}, nil, "crit"},
		"with an unknown extension":   {own, values{"crit": []string{"exp"}}, nil, "crit"},
		"larger than the limit":       {own, nil, values{"more": strings.Repeat("x", 17000)}, "too long"},
		"with its key in the header":  {other, values{"jwk": other.JWK()}, nil, "signature"},
		"with a certificate":          {other, values{"x5c": []string{"MIIB"}}, nil, "signature"},
		"of another issuer":           {own, nil, values{"iss": "https://other.example.com"}, ""},
		"of the issuer with a slash":  {own, nil, values{"iss": from.URL + "/"}, ""},
		"of several issuers":          {own, nil, values{"iss": []string{from.URL}}, ""},
		"that calls itself our token": {own, nil, values{"iss": "ocigate"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := a.authenticate(from.Sign(c.key, c.header, from.Claims(c.claims)))
			wantError(t, err, auth.ErrBadCredentials)
			if err != nil && !strings.Contains(err.Error(), c.reason) {
				t.Errorf("error %v, want %q", err, c.reason)
			}
			if p != (auth.Principal{}) {
				t.Errorf("principal %+v", p)
			}
		})
	}
}

func TestExternalTokenWithRepeatedMembersIsRejected(t *testing.T) {
	t.Parallel()
	from := issuertest.New(t)
	a := newExternalAuth(t, issuerOptions(from))
	payload, err := json.Marshal(from.Claims(nil))
	if err != nil {
		t.Fatal(err)
	}
	key, rest := from.Keys()[0], string(payload[1:])
	a.accept(from.SignText(key, nil, payload))
	for _, double := range []string{`"iss":"ocigate",`, `"iss":"` + from.URL + `",`, `"sub":"eve",`, `"roles":[],`, `"x":{"y":1,"y":2},`} {
		a.reject(from.SignText(key, nil, []byte("{"+double+rest)), "")
	}
	a.reject(from.SignText(key, nil, append(payload, " {}"...)), "")
	a.reject(from.SignText(key, nil, []byte(`["`+from.URL+`"]`)), "")
	header := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"ES256","alg":"ES256","kid":"first"}`))
	parts := strings.Split(from.Token(nil), ".")
	a.reject(header+"."+parts[1]+"."+parts[2], "appears twice")
}

func TestAlgorithmsCannotBeConfused(t *testing.T) {
	t.Parallel()
	from := issuertest.New(t)
	key := issuertest.NewKey(t, "rsa", "RS256")
	from.SetKeys(key)
	a := newExternalAuth(t, issuerOptions(from))
	a.accept(from.Token(nil))
	public, ok := key.Private.Public().(*rsa.PublicKey)
	if !ok {
		t.Fatal("no RSA key")
	}
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	jwk, err := key.JWK().MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	// An attacker knows the public key in each of its forms.
	for _, secret := range [][]byte{
		der, x509.MarshalPKCS1PublicKey(public), jwk, public.N.Bytes(),
		pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}),
		[]byte(newKey.Secret), nil,
	} {
		for _, method := range []jwt.SigningMethod{jwt.SigningMethodHS256, jwt.SigningMethodHS384, jwt.SigningMethodHS512} {
			for _, id := range []string{"rsa", newKey.ID} {
				a.reject(string(forge(t, method, secret, values{"kid": id}, from.Claims(nil))), "signing method")
			}
		}
	}
	a.reject(string(forge(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, nil, from.Claims(nil))), "")
	// A key of one kind does not verify the algorithms of another, nor those that
	// the issuer does not use it for.
	a.reject(from.Sign(issuertest.Key{ID: "rsa", Alg: "PS256", Private: key.Private}, nil, from.Claims(values{"iat": -time.Hour})), "no such key")
	a.reject(from.Sign(issuertest.NewKey(t, "rsa", "EdDSA"), nil, from.Claims(values{"iat": -time.Hour})), "no such key")
}

func TestExternalAlgorithms(t *testing.T) {
	t.Parallel()
	from := issuertest.New(t)
	var keys []issuertest.Key
	rsaKey := issuertest.NewKey(t, "", "RS256").Private // one for six algorithms: it takes long to make
	for _, alg := range auth.IssuerAlgorithms() {
		key := issuertest.Key{ID: alg, Alg: alg, Private: rsaKey}
		if alg[0] == 'E' {
			key = issuertest.NewKey(t, alg, alg)
		}
		keys = append(keys, key)
	}
	from.SetKeys(keys...)
	o := issuerOptions(from)
	o.Algorithms = auth.IssuerAlgorithms()
	a := newExternalAuth(t, o)
	for _, key := range keys {
		a.accept(from.Sign(key, nil, from.Claims(nil)))
	}
}

func TestExternalTokensDoNotWeakenOwnTokens(t *testing.T) {
	t.Parallel()
	from := issuertest.New(t)
	a := newExternalAuth(t, issuerOptions(from))
	a.accept(from.Token(nil))
	own := login(t, a.Authenticator).Token
	for range 2 { // the second time it is in the cache
		p, err := a.Authenticate(bearer(own), here)
		if err != nil || p.Method != auth.MethodToken || p.Name != "admin@example.com" {
			t.Errorf("a token of a login: principal %+v, error %v", p, err)
		}
	}
	own = forge(t, jwt.SigningMethodHS256, []byte(newKey.Secret), nil, values{"iss": from.URL})
	a.reject(string(own), "signing method")
	a.reject(from.Sign(from.Keys()[0], values{"typ": "JWT"}, from.Claims(values{
		"iss": "ocigate", "lvl": 16, "jti": "1", "tid": nil,
	})), "signing method")
	a.ReplaceIssuer(nil)
	a.reject(from.Token(nil), "")
}

func TestExternalTokenMayBeLimitedToAccessTokens(t *testing.T) {
	t.Parallel()
	from := issuertest.New(t)
	o := issuerOptions(from)
	o.AccessTokensOnly = true
	a := newExternalAuth(t, o)
	key := from.Keys()[0]
	a.accept(from.Sign(key, values{"typ": "at+jwt"}, from.Claims(nil)))
	a.reject(from.Sign(key, values{"typ": "JWT"}, from.Claims(nil)), "typ")
	a.reject(from.Sign(key, nil, from.Claims(nil)), "typ")
}

func TestExternalClockSkew(t *testing.T) {
	t.Parallel()
	from := issuertest.New(t)
	o := issuerOptions(from)
	o.Skew = 2 * time.Minute
	a := newExternalAuth(t, o)
	for _, c := range []struct {
		claims values
		reason string // empty if the token is accepted
	}{
		{values{"exp": -time.Minute, "iat": -time.Hour}, ""},
		{values{"exp": -3 * time.Minute, "iat": -time.Hour}, "expired"},
		{values{"iat": time.Minute}, ""},
		{values{"iat": 4 * time.Minute}, "before issued"},
		{values{"nbf": time.Minute}, ""},
		{values{"nbf": 4 * time.Minute}, "not valid yet"},
	} {
		if token := from.Token(c.claims); c.reason == "" {
			a.accept(token)
		} else {
			a.reject(token, c.reason)
		}
	}
}

func TestExternalTokenIsNotACookie(t *testing.T) {
	t.Parallel()
	from := issuertest.New(t)
	a := newExternalAuth(t, issuerOptions(from))
	_, err := a.Authenticate(request(http.MethodGet, "Cookie", "sessionid="+from.Token(nil)), here)
	wantError(t, err, auth.ErrBadCredentials)
}

func TestExternalTokenCanBeLoggedOut(t *testing.T) {
	t.Parallel()
	from := issuertest.New(t)
	a := newExternalAuth(t, issuerOptions(from))
	token, other := from.Token(nil), from.Token(values{"sub": "bob"})
	a.accept(token)
	p, _, err := a.Logout(bearer(auth.Secret(token)))
	if err != nil || p.Name != from.URL+"#ada" {
		t.Errorf("principal %+v, error %v", p, err)
	}
	a.reject(token, "logged out")
	a.accept(other)
	// The same signature can be written in another way, which is another text.
	parts := strings.Split(token, ".")
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil {
		t.Fatal(err)
	}
	a.reject(parts[0]+"."+parts[1]+"."+base64.URLEncoding.EncodeToString(signature), "")
}

func TestFailedExternalTokensDoNotDelayOthers(t *testing.T) {
	t.Parallel()
	from := issuertest.New(t)
	a := newExternalAuth(t, issuerOptions(from))
	wrong := from.Sign(issuertest.NewKey(t, "first", "ES256"), nil, from.Claims(nil))
	for range 100 { // more than the free attempts of an address
		a.reject(wrong, "signature")
	}
	a.accept(from.Token(nil))
	login(t, a.Authenticator)
}

func TestExternalKeyWithoutID(t *testing.T) {
	t.Parallel()
	from := issuertest.New(t)
	one, two := issuertest.NewKey(t, "", "ES256"), issuertest.NewKey(t, "", "ES256")
	from.SetKeys(one)
	a := newExternalAuth(t, issuerOptions(from))
	a.accept(from.Token(nil))
	from.SetKeys(two, one)
	a = newExternalAuth(t, issuerOptions(from))
	a.reject(from.Sign(one, nil, from.Claims(values{"iat": -time.Hour})), "no such key")
	from.SetKeys(issuertest.NewKey(t, "", "EdDSA"), one)
	a = newExternalAuth(t, issuerOptions(from))
	a.accept(from.Token(nil))
}

func TestExternalTokenCannotNameItsKeys(t *testing.T) {
	t.Parallel()
	from := issuertest.New(t)
	a := newExternalAuth(t, issuerOptions(from))
	attacker := issuertest.NewKey(t, "first", "ES256")
	asked := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked++
		issuertest.WriteJSON(w, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{attacker.JWK()}})
	}))
	token := from.Sign(attacker, values{"jku": server.URL, "x5u": server.URL}, from.Claims(nil))
	a.reject(token, "signature")
	server.Close()
	if asked != 0 {
		t.Errorf("the server of the attacker was asked %d times", asked)
	}
}
