//go:build linux

package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ocigate/config"
	"ocigate/gateway"
)

// Shares of sessions and the limit of connections take effect at a reload, and a new client
// has its series from then on.
func TestReloadOfSharesAndConnections(t *testing.T) {
	r := newReloadRig(t, newPlatform(t).Addr, nil)
	metrics := func(want ...string) {
		t.Helper()
		_, text := ask(t, http.MethodGet, "http://"+r.admin+"/metrics", "")
		for _, line := range want {
			if name, _, _ := strings.Cut(line, "{"); !strings.Contains(text, line+"\n") {
				t.Errorf("the metrics do not have %s, but\n%s", line, lines(text, name))
			}
		}
	}
	initial := budgetOf(r.program.configOf()).connections
	metrics(`ocigate_platform_session_seconds_total{caller="client",client="portal"} 0`, fmt.Sprintf(`ocigate_connections_max{listener="http.listen"} %d`, initial))

	r.reload(t, "http", `{listen: "127.0.0.1:0", drain: 0s, max_connections: 77}`)
	r.reload(t, "auth", fmt.Sprintf(`{clients: [{id: portal, hash: %q, level: system, weight: 5, max_sessions: 1}, {id: second, hash: %[1]q, level: system}]}`, campaignHash()))
	metrics(
		`ocigate_platform_session_seconds_total{caller="client",client="second"} 0`,
		`ocigate_connections_max{listener="http.listen"} 77`, `ocigate_connections_max{listener="admin.listen"} 32`,
	)
	if status, _ := r.get(t, "portal"); status != http.StatusOK {
		t.Errorf("a read: %d", status)
	}
	want := gateway.SessionShares{Clients: map[string]gateway.SessionShare{"portal": {Weight: 5, Max: 1}, "second": {}}}
	if diff := cmp.Diff(want, sessionShares(r.program.configOf())); diff != "" {
		t.Errorf("shares (-want +got):\n%s", diff)
	}
}

func TestSharesOfUsers(t *testing.T) {
	c := config.Default()
	c.Platform.Pool.UserSessions = 3
	if got := sessionShares(&c).Users; got != (gateway.SessionShare{Max: 3}) {
		t.Errorf("%+v", got)
	}
}
