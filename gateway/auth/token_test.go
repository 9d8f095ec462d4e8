package auth_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"maps"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"ocigate/gateway/auth"
)

// These tests specify which tokens are accepted. To add a forged token, add an entry to
// the table of TestTokenIsReadStrictly: the key, and the changes of header and claims.

var (
	oldKey = auth.Key{ID: "2025", Secret: "old old old old old old old old old"}
	newKey = auth.Key{ID: "2026", Secret: "new new new new new new new new new"}
)

// forge signs a token with any key material. A nil value removes a header or a
// claim, and a duration means that time from now.
func forge(t testing.TB, method jwt.SigningMethod, key any, header, claims map[string]any) auth.Secret {
	t.Helper()
	now := time.Now().Unix()
	all := jwt.MapClaims{
		"iss": "ocigate", "aud": "ocigate", "sub": "admin", "jti": "1",
		"iat": now, "exp": now + 60, "lvl": 12, "tid": "ApioSpTest",
	}
	overwrite(all, claims)
	for name, v := range all {
		if d, ok := v.(time.Duration); ok {
			all[name] = now + int64(d/time.Second)
		}
	}
	token := jwt.NewWithClaims(method, all)
	token.Header["kid"] = newKey.ID
	overwrite(token.Header, header)
	signed, err := token.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return auth.Secret(signed)
}

func overwrite(m, changes map[string]any) {
	maps.Copy(m, changes)
	maps.DeleteFunc(m, func(_ string, v any) bool { return v == nil })
}

func TestTokenIsReadStrictly(t *testing.T) {
	t.Parallel()
	type values = map[string]any
	good := []byte(newKey.Secret)
	for _, c := range []struct {
		name           string
		method         jwt.SigningMethod
		key            any
		header, claims values
		ok             bool
	}{
		{"accepts a good one", jwt.SigningMethodHS256, good, nil, nil, true},
		{"accepts the old key", jwt.SigningMethodHS256, []byte(oldKey.Secret), values{"kid": oldKey.ID}, nil, true},
		{"accepts clocks that are a little apart", jwt.SigningMethodHS256, good, nil, values{"iat": 5 * time.Second}, true},
		{"accepts one of several audiences", jwt.SigningMethodHS256, good, nil, values{"aud": []string{"x", "ocigate"}}, true},
		{"accepts a long one", jwt.SigningMethodHS256, good, nil, values{"x": strings.Repeat("x", 2000)}, true},
		{"refuses one that is too long", jwt.SigningMethodHS256, good, nil, values{"x": strings.Repeat("x", 4000)}, false},
		{"refuses no algorithm", jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, nil, nil, false},
		{"refuses another algorithm with the same key", jwt.SigningMethodHS512, good, nil, nil, false},
		{"refuses another key", jwt.SigningMethodHS256, []byte(strings.Repeat("x", 32)), nil, nil, false},
		{"refuses an empty key", jwt.SigningMethodHS256, []byte{}, nil, nil, false},
		{"refuses one key under the other's id", jwt.SigningMethodHS256, []byte(oldKey.Secret), nil, nil, false},
		{"refuses an unknown key id", jwt.SigningMethodHS256, good, values{"kid": "2027"}, nil, false},
		{"refuses an empty key under an unknown key id", jwt.SigningMethodHS256, []byte{}, values{"kid": "2027"}, nil, false},
		{"refuses no key id", jwt.SigningMethodHS256, good, values{"kid": nil}, nil, false},
		{"refuses a key id that is no text", jwt.SigningMethodHS256, good, values{"kid": 2026}, nil, false},
		{"refuses another type", jwt.SigningMethodHS256, good, values{"typ": "JWE"}, nil, false},
		{"refuses extensions", jwt.SigningMethodHS256, good, values{"crit": []string{"exp"}}, nil, false},
		{"refuses an expired one", jwt.SigningMethodHS256, good, nil, values{"exp": -11 * time.Second}, false},
		{"refuses no expiry", jwt.SigningMethodHS256, good, nil, values{"exp": nil}, false},
		{"refuses an expiry that is text", jwt.SigningMethodHS256, good, nil, values{"exp": "tomorrow"}, false},
		{"refuses one from the future", jwt.SigningMethodHS256, good, nil, values{"iat": 15 * time.Second}, false},
		{"refuses no time of issue", jwt.SigningMethodHS256, good, nil, values{"iat": nil}, false},
		{"refuses one that is not good yet", jwt.SigningMethodHS256, good, nil, values{"nbf": 15 * time.Second}, false},
		{"refuses another audience", jwt.SigningMethodHS256, good, nil, values{"aud": "other"}, false},
		{"refuses no audience", jwt.SigningMethodHS256, good, nil, values{"aud": nil}, false},
		{"refuses another issuer", jwt.SigningMethodHS256, good, nil, values{"iss": "other"}, false},
		{"refuses no issuer", jwt.SigningMethodHS256, good, nil, values{"iss": nil}, false},
		{"refuses no id", jwt.SigningMethodHS256, good, nil, values{"jti": nil}, false},
		{"refuses no subject", jwt.SigningMethodHS256, good, nil, values{"sub": nil}, false},
		{"refuses no level", jwt.SigningMethodHS256, good, nil, values{"lvl": nil}, false},
		{"refuses an unknown level", jwt.SigningMethodHS256, good, nil, values{"lvl": 13}, false},
		{"refuses a broken level", jwt.SigningMethodHS256, good, nil, values{"lvl": 12.5}, false},
		{"refuses a scope that is too small", jwt.SigningMethodHS256, good, nil, values{"lvl": 8}, false},
		{"refuses a scope that is too large", jwt.SigningMethodHS256, good, nil, values{"lvl": 16}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				a := newAuth(t, auth.Options{Keys: []auth.Key{newKey, oldKey}})
				p, err := a.Authenticate(bearer(forge(t, c.method, c.key, c.header, c.claims)), here)
				want, wantErr := auth.Principal{}, auth.ErrBadCredentials
				if c.ok {
					want = auth.Principal{Name: "admin", Level: auth.TenantAdmin, TenantID: "ApioSpTest", Method: auth.MethodToken}
					wantErr = nil
				}
				wantError(t, err, wantErr)
				if p != want {
					t.Errorf("%+v, want %+v", p, want)
				}
			})
		})
	}
}

func TestTokenIsRefusedWhenAnyByteIsChanged(t *testing.T) {
	t.Parallel()
	a := newAuth(t, auth.Options{Keys: []auth.Key{newKey}})
	good := string(login(t, a).Token)
	if _, err := a.Authenticate(bearer(auth.Secret(good)), here); err != nil { // it is cached now
		t.Fatal(err)
	}
	for i := range good {
		for _, flip := range []byte{1, 2, 32} {
			bad := []byte(good)
			bad[i] ^= flip
			if _, err := a.Authenticate(bearer(auth.Secret(bad)), here); err == nil {
				t.Errorf("accepted with byte %d changed from %q to %q", i, good[i], bad[i])
			}
		}
	}
	header, rest, _ := strings.Cut(good, ".")
	for name, bad := range map[string]string{
		"a line break":        good[:len(good)-5] + "\n" + good[len(good)-5:],
		"padding":             good + "=",
		"a fourth part":       good + ".x",
		"no signature":        good[:strings.LastIndex(good, ".")+1],
		"a blank behind":      good + " ",
		"too much":            good + strings.Repeat("A", 5000),
		"null for a header":   base64.RawURLEncoding.EncodeToString([]byte("null")) + "." + rest,
		"null for the claims": header + "." + base64.RawURLEncoding.EncodeToString([]byte("null")) + ".AAAA",
	} {
		if _, err := a.Authenticate(bearer(auth.Secret(bad)), here); err == nil {
			t.Errorf("accepted with %s", name)
		}
	}
}

func TestTokenExpires(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newAuth(t, auth.Options{TokenTTL: time.Minute})
		s := login(t, a)
		time.Sleep(time.Minute + 9*time.Second)
		if _, err := a.Authenticate(bearer(s.Token), here); err != nil {
			t.Errorf("refused within the leeway: %v", err)
		}
		time.Sleep(time.Second)
		_, err := a.Authenticate(bearer(s.Token), here)
		wantError(t, err, auth.ErrBadCredentials)
	})
}

func TestKeyRotation(t *testing.T) {
	t.Parallel()
	before := newAuth(t, auth.Options{Keys: []auth.Key{oldKey}})
	during := newAuth(t, auth.Options{Keys: []auth.Key{newKey, oldKey}})
	after := newAuth(t, auth.Options{Keys: []auth.Key{newKey}})
	random := newAuth(t, auth.Options{})
	for _, c := range []struct {
		name           string
		issuer, reader *auth.Authenticator
		ok             bool
	}{
		{"accepts the old key's token during rotation", before, during, true},
		{"signs with the new key during rotation", during, after, true},
		{"refuses the new key's token before rotation", during, before, false},
		{"refuses the old key's token after rotation", before, after, false},
		{"refuses another process's random key", random, newAuth(t, auth.Options{}), false},
		{"refuses a configured key's token with a random key", after, random, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := c.reader.Authenticate(bearer(login(t, c.issuer).Token), here)
			if (err == nil) != c.ok {
				t.Error(err)
			}
		})
	}
	if before.EphemeralKey() || !random.EphemeralKey() {
		t.Errorf("EphemeralKey is %t with a key and %t without", before.EphemeralKey(), random.EphemeralKey())
	}
}

// signedWith checks an HS256 signature without the library.
func signedWith(key, token string) bool {
	end := max(strings.LastIndex(token, "."), 0)
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(token[:end]))
	return "."+base64.RawURLEncoding.EncodeToString(mac.Sum(nil)) == token[end:]
}

func FuzzToken(f *testing.F) {
	a := newAuth(f, auth.Options{Keys: []auth.Key{newKey}})
	good := string(login(f, a).Token)
	payload := strings.Split(good, ".")[1]
	f.Add(good)
	f.Add("")
	f.Add("..")
	f.Add("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0." + payload + ".")
	f.Add("eyJhbGciOiJIUzI1NiIsImtpZCI6IjIwMjYiLCJ0eXAiOiJKV1QifQ.bnVsbA.AAAA")
	f.Fuzz(func(t *testing.T, text string) {
		_, err := a.Authenticate(request(http.MethodGet, "Authorization", "Bearer "+text), here)
		if err == nil && !signedWith(string(newKey.Secret), strings.TrimLeft(text, " ")) {
			t.Errorf("%q is accepted", text)
		}
		if err != nil && len(text) > 40 && strings.Contains(err.Error(), text) {
			t.Errorf("the error contains the token: %v", err)
		}
	})
}
