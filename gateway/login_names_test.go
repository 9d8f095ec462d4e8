package gateway_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ocigate/gateway/auth"
	"ocigate/oci/ocisim"
)

// User names of logins: those that the platform may take for another one, and the account
// of the gateway.

func TestUserNamesOfLogins(t *testing.T) {
	r := start(t, setup{})
	for name, reason := range map[string]string{
		"ſissi":             "must be in the Unicode normal form NFKC",
		"\u200bgroupadmin":  "must not contain invisible or unassigned characters",
		"\ufeffgroupadmin":  "must not contain invisible or unassigned characters",
		"group\u00adadmin":  "must not contain invisible or unassigned characters",
		"ｇｒｏｕｐａｄｍｉｎ":        "must be in the Unicode normal form NFKC",
		"гроупадмин":        "must not contain characters outside the platform's character set",
		"group\u00a0admin":  "must not have leading, trailing or repeated blanks",
		"groupadmin\u2060":  "must not contain invisible or unassigned characters",
		"group\u0001admin":  "must not contain control characters",
		"groupadmin\u0131ı": "must not contain characters outside the platform's character set",
	} {
		t.Run(fmt.Sprintf("%+q", name), func(t *testing.T) {
			failure := r.call(t, loginCall(name, "wrong")).wantError(t, http.StatusBadRequest, "INVALID_PARAMETERS")
			got := failure.Details.Problems
			if len(got) != 1 || got[0].Pointer == nil || *got[0].Pointer != "/username" || got[0].Reason != reason {
				t.Errorf("problems %+v, want %q", got, reason)
			}
		})
	}
	for _, e := range r.platform.Ledger() {
		if e.Error != 0 {
			t.Errorf("the platform was asked: %+v", e)
		}
	}
}

// Nobody logs in as the gateway, and every spelling that the platform completes takes as
// long as another name.
func TestAccountOfTheGatewayCannotLogIn(t *testing.T) {
	for _, way := range waysToVerify[:3] {
		t.Run(way.name, func(t *testing.T) {
			s := way.setup
			s.faults = []string{withCommand("slow delay=3ms", commandsThatVerify(s))}
			s.auth = func(o *auth.Options) { o.AccountLimit = auth.Limit{FreeAttempts: 100} }
			inBubble(t, s, func(t *testing.T, r *rig) {
				r.login(t, "tenantadmin") // so that the gateway has logged in
				type attempt struct {
					Took     time.Duration
					Commands []string
					Body     string
				}
				try := func(username string) attempt {
					before, began := len(r.platform.Ledger()), time.Now()
					got := r.call(t, loginCall(username, gatewayPassword))
					got.wantStatus(t, http.StatusUnauthorized)
					a := attempt{Took: time.Since(began), Body: got.body}
					for _, e := range r.platform.Ledger()[before:] {
						a.Commands = append(a.Commands, e.Command)
					}
					return a
				}
				want := try("nobody-at-all")
				for _, username := range []string{
					gatewayUser, strings.ToUpper(gatewayUser), gatewayUser + "@example.com", "Gateway@EXAMPLE.com", gatewayUser + "@", gatewayUser + "@example.com.",
				} {
					if diff := cmp.Diff(want, try(username)); diff != "" {
						t.Errorf("%s (-another name +this one):\n%s", username, diff)
					}
				}
			})
		})
	}
}

// A user of another domain may have the same name.
func TestUserOfAnotherDomainWithTheNameOfTheGatewayLogsIn(t *testing.T) {
	const namesake = gatewayUser + "@customer.example"
	r := start(t, setup{seed: func(s *ocisim.Seed) {
		g := &s.Tenants[0].Groups[0]
		g.Users = append(g.Users, ocisim.User{ID: namesake, Password: "user-demo", LastName: "Way", FirstName: "Gate"})
	}})
	r.get(t, "numbers").wantStatus(t, http.StatusOK) // so that the gateway has logged in
	r.login(t, namesake)
}
