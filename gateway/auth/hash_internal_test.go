package auth

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"
)

// These tests specify which hashes are accepted and which secrets match them. To add a
// refused hash, add an entry to the map of TestParseHashRefuses.

const (
	salt22 = "c29tZXNhbHRzb21lc2FsdA"                      // 16 bytes
	key43  = "RdescudvJCsgt3ub+b0dWRWJTmaaJObG0RdescudvJA" // 32 bytes
)

func phc(parameters string) string {
	return "$argon2id$v=19$" + parameters + "$" + salt22 + "$" + key43
}

func TestHash(t *testing.T) {
	t.Parallel()
	text, err := Hash("correct horse")
	if err != nil {
		t.Fatal(err)
	}
	again, err := Hash("correct horse")
	if err != nil {
		t.Fatal(err)
	}
	if again == text {
		t.Error("the salt is always the same")
	}
	h, err := parseHash(text)
	if err != nil {
		t.Fatal(err)
	}
	for secret, want := range map[string]bool{"correct horse": true, "correct horsf": false, "correct hors": false, "": false} {
		if h.matches(secret) != want {
			t.Errorf("matches(%q) is %t", secret, !want)
		}
	}
	for _, secret := range []string{"", "a\nb", strings.Repeat("x", 257), "\xff"} {
		if _, err := Hash(secret); err == nil {
			t.Errorf("hashes %q", secret)
		}
	}
}

// The vector is from the tests of the reference implementation in C.
func TestArgonOfTheReferenceImplementation(t *testing.T) {
	t.Parallel()
	h, err := parseHash("$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc")
	if err != nil {
		t.Fatal(err)
	}
	if !h.matches("password") || h.matches("passwore") {
		t.Error("the hash of the reference implementation does not match")
	}
}

func TestBcrypt(t *testing.T) {
	t.Parallel()
	const secret72 = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef01234567"
	text, err := bcrypt.GenerateFromPassword([]byte(secret72), bcrypt.DefaultCost)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		form, secret string
		want         bool
	}{
		{"$2a$", secret72, true},
		{"$2b$", secret72, true},
		{"$2y$", secret72, true},
		{"$2b$", secret72[:71], false},
		{"$2b$", secret72 + "x", false},
	} {
		h, err := parseHash(c.form + string(text[4:]))
		if err != nil {
			t.Fatal(err)
		}
		if h.matches(c.secret) != c.want {
			t.Errorf("%s: matches(%q) is %t", c.form, c.secret, !c.want)
		}
	}
}

func TestParseHashRefuses(t *testing.T) {
	t.Parallel()
	bcryptTail := strings.Repeat("a", 53)
	for name, text := range map[string]string{
		"nothing":                      "",
		"plain text":                   "secret",
		"argon2i":                      strings.Replace(phc("m=65536,t=2,p=1"), "2id", "2i", 1),
		"argon2d":                      strings.Replace(phc("m=65536,t=2,p=1"), "2id", "2d", 1),
		"another version":              strings.Replace(phc("m=65536,t=2,p=1"), "v=19", "v=16", 1),
		"no version":                   strings.Replace(phc("m=65536,t=2,p=1"), "v=19$", "", 1),
		"too much memory":              phc("m=262145,t=2,p=1"),
		"far too much memory":          phc("m=4294967295,t=2,p=1"),
		"memory beyond 32 bits":        phc("m=4295032832,t=2,p=1"),
		"too little memory":            phc("m=4095,t=2,p=1"),
		"too many passes":              phc("m=65536,t=17,p=1"),
		"no pass":                      phc("m=65536,t=0,p=1"),
		"too many threads":             phc("m=65536,t=2,p=17"),
		"no thread":                    phc("m=65536,t=2,p=0"),
		"threads beyond 8 bits":        phc("m=65536,t=2,p=257"),
		"a sign":                       phc("m=+65536,t=2,p=1"),
		"a leading zero":               phc("m=065536,t=2,p=1"),
		"a blank":                      phc("m= 65536,t=2,p=1"),
		"another order":                phc("t=2,m=65536,p=1"),
		"another parameter":            phc("m=65536,t=2,p=1,keyid=x"),
		"a missing parameter":          phc("m=65536,t=2"),
		"padding":                      phc("m=65536,t=2,p=1") + "=",
		"bits beyond the last byte":    phc("m=65536,t=2,p=1")[:len(phc("m=65536,t=2,p=1"))-1] + "B",
		"a line break in the base64":   strings.Replace(phc("m=65536,t=2,p=1"), "udv", "u\ndv", 1),
		"one more part":                phc("m=65536,t=2,p=1") + "$",
		"a short salt":                 "$argon2id$v=19$m=65536,t=2,p=1$c29tZQ$" + key43,
		"a long salt":                  "$argon2id$v=19$m=65536,t=2,p=1$" + strings.Repeat("AAAA", 22) + "$" + key43,
		"a short hash":                 "$argon2id$v=19$m=65536,t=2,p=1$" + salt22 + "$AAAA",
		"a long hash":                  "$argon2id$v=19$m=65536,t=2,p=1$" + salt22 + "$" + strings.Repeat("AAAA", 22),
		"bcrypt of another form":       "$2x$10$" + bcryptTail,
		"bcrypt of little cost":        "$2b$09$" + bcryptTail,
		"bcrypt of much cost":          "$2b$16$" + bcryptTail,
		"bcrypt of impossible cost":    "$2b$99$" + bcryptTail,
		"bcrypt with another alphabet": "$2b$10$" + bcryptTail[:52] + "+",
		"bcrypt that is cut":           "$2b$10$" + bcryptTail[:52],
		"bcrypt with a line break":     "$2b$10$" + bcryptTail + "\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := parseHash(text)
			if err == nil {
				t.Fatalf("%q is accepted", text)
			}
			if len(text) > 20 && strings.Contains(err.Error(), text[len(text)-20:]) {
				t.Errorf("the hash is in the error: %v", err)
			}
		})
	}
	for _, text := range []string{phc("m=4096,t=1,p=1"), phc("m=262144,t=16,p=16"), "$2b$10$" + bcryptTail, "$2y$15$" + bcryptTail} {
		if _, err := parseHash(text); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func FuzzParseHash(f *testing.F) {
	f.Add(phc("m=65536,t=2,p=1"))
	f.Add(phc("m=4294967296,t=-1,p=999"))
	f.Add("$argon2id$$$$")
	f.Add("$2b$10$" + strings.Repeat("a", 53))
	f.Add("$2")
	f.Fuzz(func(t *testing.T, text string) {
		h, err := parseHash(text)
		if err != nil {
			return
		}
		switch h := h.(type) {
		case argonHash:
			if h.encode() != text {
				t.Errorf("%q is read as %q", text, h.encode())
			}
			if h.memory > maxMemory || h.time > maxTime || h.threads > maxThreads || len(h.salt) > maxSalt || len(h.key) > maxKeyLen {
				t.Errorf("%q is above the limits", text)
			}
		case bcryptHash:
			if cost, err := bcrypt.Cost(h); err != nil || cost > maxCost || string(h) != text {
				t.Errorf("%q: cost %d, %v", text, cost, err)
			}
		}
	})
}

func FuzzCredential(f *testing.F) {
	f.Add("Basic cG9ydGFsOnNlY3JldA==", "", "")
	f.Add("Bearer a.b.c", "", "sessionid=a.b.c")
	f.Add("", "portal.secret", "sessionid=x")
	f.Add("", "", `a=b; sessionid="x"; c`)
	f.Add("Basic", ".", "sessionid=a; sessionid=b")
	f.Fuzz(func(t *testing.T, authorization, apiKey, cookie string) {
		r := &http.Request{Header: http.Header{}}
		for name, value := range map[string]string{"Authorization": authorization, apiKeyHeader: apiKey, "Cookie": cookie} {
			if value != "" {
				r.Header.Set(name, value)
			}
		}
		cred, err := readCredential(r)
		if err != nil {
			if cred != (credential{}) {
				t.Errorf("a credential was returned with the error %v", err)
			}
			return
		}
		if authorization != "" && apiKey != "" {
			t.Error("two headers are accepted")
		}
		if (authorization != "" || apiKey != "") == (cred.method == MethodCookie) {
			t.Errorf("method %q", cred.method)
		}
		if cred.method.isToken() {
			return
		}
		if !clientID.MatchString(cred.id) || secretProblem(cred.secret) != "" {
			t.Errorf("%s with id %q and secret %q", cred.method, cred.id, cred.secret)
		}
		if cred.method == MethodAPIKey && fmt.Sprintf("%s.%s", cred.id, cred.secret) != apiKey {
			t.Errorf("%q is read as %q and %q", apiKey, cred.id, cred.secret)
		}
	})
}
