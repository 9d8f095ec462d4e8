package gateway_test

import (
	"net/http"
	"strings"
	"testing"

	"ocigate/gateway/auth"
)

// What the log and the metrics show about clients that have two hashes, so that an operator
// knows when the old secret is not used any more.

func TestUsedHashesAreCountedAndLogged(t *testing.T) {
	const newSecret = "the-new-secret-of-the-portal"
	newHash, err := auth.Hash(newSecret)
	must(t, err)
	r := start(t, setup{auth: func(o *auth.Options) {
		for i := range o.Clients {
			if o.Clients[i].ID == tenant {
				o.Clients[i].NextHash = auth.Secret(newHash)
			}
		}
	}})
	wantCounted(t, r, "ocigate_client_hash_used_total", map[string]float64{"tenant hash": 0, "tenant next_hash": 0})
	for _, secret := range []string{clientSecret, newSecret, newSecret, "wrong"} {
		got := r.call(t, call{path: ownList("numbers"), header: http.Header{"X-Api-Key": {tenant + "." + secret}}})
		if ok := got.status == http.StatusOK; ok == (secret == "wrong") {
			t.Errorf("%s: status %d", secret, got.status)
		}
	}
	r.get(t, "numbers").wantStatus(t, http.StatusOK) // of a client with one hash
	wantCounted(t, r, "ocigate_client_hash_used_total", map[string]float64{"tenant hash": 1, "tenant next_hash": 2})

	log := r.log.String()
	for text, want := range map[string]int{`"principal_hash":"hash"`: 1, `"principal_hash":"next_hash"`: 2, `"principal_hash"`: 3, newSecret: 0, clientSecret: 0, newHash: 0} {
		if n := strings.Count(log, text); n != want {
			t.Errorf("the log has %s %d times, want %d", text, n, want)
		}
	}
}
