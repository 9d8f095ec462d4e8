package auth_test

import (
	"net/http"
	"strings"
	"testing"

	"ocigate/gateway/auth"
)

// These tests specify how With changes keys and clients while requests are served. To add a change of keys, add an entry to the map of TestReplacedKeys.

func TestReplacedKeys(t *testing.T) {
	t.Parallel()
	otherSecret := auth.Key{ID: oldKey.ID, Secret: newKey.Secret}
	for name, c := range map[string]struct {
		keys []auth.Key
		want error
	}{
		"refuse immediately the token of a removed key":    {[]auth.Key{newKey}, auth.ErrBadCredentials},
		"refuse it if another key has the same id":         {[]auth.Key{otherSecret}, auth.ErrBadCredentials},
		"refuse it if a random key replaces the key":       {nil, auth.ErrBadCredentials},
		"accept the token of a key that is the second now": {[]auth.Key{newKey, oldKey}, nil},
		"accept the token of a key that has a second now":  {[]auth.Key{oldKey, newKey}, nil},
		"accept it if nothing changes":                     {[]auth.Key{oldKey}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newAuth(t, auth.Options{Keys: []auth.Key{oldKey}})
			s := login(t, a)
			if _, err := a.Authenticate(bearer(s.Token), here); err != nil { // it is cached now
				t.Fatal(err)
			}
			a = with(t, a, auth.Options{Keys: c.keys})
			_, err := a.Authenticate(bearer(s.Token), here)
			wantError(t, err, c.want)
			if _, err := a.Authenticate(bearer(login(t, a).Token), here); err != nil {
				t.Errorf("a token of the new keys: %v", err)
			}
			if a.EphemeralKey() != (len(c.keys) == 0) {
				t.Errorf("EphemeralKey is %t", a.EphemeralKey())
			}
		})
	}
}

func TestReplaceRefusesAllOrNothing(t *testing.T) {
	t.Parallel()
	a := newAuth(t, auth.Options{Keys: []auth.Key{oldKey}, Clients: []auth.Client{portal(t)}})
	s := login(t, a)
	bad := portal(t)
	bad.Hash = "plain text"
	for name, c := range map[string]struct {
		keys    []auth.Key
		clients []auth.Client
		want    string
	}{
		"a bad client":   {[]auth.Key{newKey}, []auth.Client{bad}, "auth: Clients[0]: Hash: "},
		"a short key":    {[]auth.Key{{ID: "k", Secret: "short"}}, nil, "auth: Keys[0].Secret: "},
		"too many keys":  {[]auth.Key{newKey, oldKey, {ID: "k", Secret: newKey.Secret}}, nil, "Keys: must have at most 2 entries"},
		"the same twice": {[]auth.Key{oldKey}, []auth.Client{portal(t), portal(t)}, "auth: Clients[1]: ID: "},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := a.With(auth.Options{Verifier: groupAdmin(), Keys: c.keys, Clients: c.clients})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q in it", err, c.want)
			}
			if err != nil && strings.Contains(err.Error(), "plain text") {
				t.Errorf("the error contains the secret: %v", err)
			}
			if _, err := a.Authenticate(bearer(s.Token), here); err != nil {
				t.Errorf("the old key's token: %v", err)
			}
			if _, err := a.Authenticate(request(http.MethodGet, "Authorization", basic("portal", portalSecret)), here); err != nil {
				t.Errorf("the old client: %v", err)
			}
		})
	}
	a = with(t, a, auth.Options{Keys: []auth.Key{oldKey}})
	if challenges := a.Challenges(request(http.MethodGet)); len(challenges) != 1 {
		t.Errorf("Basic is offered without clients: %q", challenges)
	}
}
