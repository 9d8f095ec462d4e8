package auth

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// These tests specify clients with two hashes. A slowHash takes the place of a real hash.

// withTwo returns a client of the id portal with two hashes, whose texts are their secrets.
func withTwo(first, second *slowHash) *client {
	return &client{principal: Principal{Name: "portal", Level: SystemAdmin}, hashes: []*clientHash{
		{hash: first, text: Secret(first.secret)}, {hash: second, text: Secret(second.secret)},
	}}
}

// hashBy authenticates as portal and returns the name of the hash that matched.
func (c *clients) hashBy(t *testing.T, secret string) (HashName, error) {
	t.Helper()
	p, err := c.authenticate(t.Context(), netip.MustParseAddr("192.0.2.1"), credential{method: MethodBasic, id: "portal", secret: secret})
	return p.Hash, err
}

func TestBothSecretsOfAClientAreAccepted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		first, second := &slowHash{secret: "old"}, &slowHash{secret: "new"}
		c := listed(withTwo(first, second))
		for i, show := range []struct {
			secret        string
			by            HashName
			first, second int64 // times that the hashes were computed so far
		}{
			{"old", FirstHash, 1, 0},
			{"new", SecondHash, 2, 1},
			{"old", FirstHash, 2, 1}, // both are remembered, each on its own
			{"new", SecondHash, 2, 1},
		} {
			by, err := c.hashBy(t, show.secret)
			if err != nil || by != show.by {
				t.Errorf("%d: %s is accepted by %q, %v", i, show.secret, by, err)
			}
			if first.started.Load() != show.first || second.started.Load() != show.second {
				t.Errorf("%d: computed %d and %d times", i, first.started.Load(), second.started.Load())
			}
		}
		time.Sleep(testLimit.MaxDelay) // the cache has ended
		if by, err := c.hashBy(t, "new"); err != nil || by != SecondHash {
			t.Errorf("later, new is accepted by %q, %v", by, err)
		}
	})
}

// A wrong secret and an unknown id cost the same: both hashes of a client.
func TestWrongSecretsCostBothHashes(t *testing.T) {
	t.Parallel()
	for _, id := range []string{"portal", "unknown"} {
		first, second := &slowHash{secret: "old"}, &slowHash{secret: "new"}
		c := listed(withTwo(first, second))
		if err := c.try(t.Context(), id, "guess"); !errors.Is(err, ErrBadCredentials) {
			t.Errorf("%s: %v", id, err)
		}
		if first.started.Load() != 1 || second.started.Load() != 1 {
			t.Errorf("%s: computed %d and %d times", id, first.started.Load(), second.started.Load())
		}
	}
}

// Guesses cannot lock a client out of either secret once it was verified.
func TestGuessingDoesNotLockOutEitherSecret(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := listed(withTwo(&slowHash{secret: "old"}, &slowHash{secret: "new"}))
		for _, secret := range []string{"old", "new"} {
			if _, err := c.hashBy(t, secret); err != nil {
				t.Fatal(err)
			}
		}
		for i := range 100 {
			_ = c.try(t.Context(), "portal", fmt.Sprint("guess", i))
		}
		for _, secret := range []string{"old", "new"} {
			if _, err := c.hashBy(t, secret); err != nil {
				t.Errorf("%s: %v", secret, err)
			}
		}
	})
}

// A rotation: the second hash is added, becomes the first, and the old one is refused.
func TestRotationOfASecret(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		old, next := &slowHash{secret: "old"}, &slowHash{secret: "new"}
		c := listed(withHash("portal", "old", old))
		step := func(name string, secret string, by HashName, want error) {
			t.Helper()
			if got, err := c.hashBy(t, secret); !errors.Is(err, want) || got != by {
				t.Errorf("%s: %s is accepted by %q with %v", name, secret, got, err)
			}
		}
		step("before", "old", "", nil)
		step("before", "new", "", ErrBadCredentials)
		c = c.replaced(withTwo(old, next))
		step("with both", "old", FirstHash, nil)
		step("with both", "new", SecondHash, nil)
		c = c.replaced(withHash("portal", "new", next))
		step("after", "old", "", ErrBadCredentials)
		step("after", "new", "", nil)
		if n := old.started.Load(); n != 3 { // two guesses of new, and the first old
			t.Errorf("the old hash was computed %d times", n)
		}
		if n := next.started.Load(); n != 2 { // new while both are accepted, and old after that
			t.Errorf("the new hash was computed %d times: what it has verified is not kept", n)
		}
	})
}

func TestHashesThatAreRefused(t *testing.T) {
	t.Parallel()
	text, err := Hash("good")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		hash, next, want string
	}{
		"the same twice":        {text, text, "Clients[0]: NextHash: must be another hash than Hash"},
		"a second one that is":  {text, "secret", "Clients[0]: NextHash: is neither"},
		"two that are no hash":  {"x", "y", "Clients[0]: Hash: is neither"},
		"a second one only":     {"", text, "Clients[0]: Hash: is neither"},
		"one, and no second":    {text, "", ""},
		"two that are accepted": {text, "$2b$10$" + strings.Repeat("a", 53), ""},
	} {
		_, err := hashedClients([]Client{{ID: "portal", Level: SystemAdmin, Hash: Secret(c.hash), NextHash: Secret(c.next)}})
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
		if err != nil && strings.Contains(err.Error(), text) {
			t.Errorf("%s: the error has the hash", name)
		}
	}
}

// The garbage of the first hash is there until a collection.
func TestMemoryOfAClientWithTwoHashes(t *testing.T) {
	t.Parallel()
	c := client{hashes: []*clientHash{{hash: argonHash{memory: 1 << 10}}, {hash: argonHash{memory: 2 << 10}}}}
	if got := c.hashMemory(); got != 3<<20 {
		t.Errorf("%d bytes", got)
	}
}
