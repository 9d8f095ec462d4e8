package gateway_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"ocigate/gateway"
	"ocigate/oci"
	"ocigate/oci/ocisim"
)

// These tests run the API in front of every release of the platform, which
// refuses what it does not support, or what does not fit its schema, with one error
// for the complete document. The gateway detects the release, or it is set.

// onRelease is a platform of a release and a gateway that gets its number, or
// not.
type onRelease struct {
	number int
	set    bool
}

func (o onRelease) String() string {
	if o.set {
		return fmt.Sprintf("release %d set", o.number)
	}
	return fmt.Sprintf("release %d detected", o.number)
}

// over makes a setup one for the release.
func (o onRelease) over(s setup) setup {
	seed, platform := s.seed, s.platform
	s.seed = func(to *ocisim.Seed) {
		to.Platform.Release, to.Platform.Version, to.Platform.Refusal = o.number, "", ocisim.RefusalDocument
		change(seed, to)
	}
	s.platform = func(to *oci.Options) {
		if o.set {
			to.Release = oci.Release(o.number)
		}
		change(platform, to)
	}
	return s
}

// hasPrefixes reports whether the release has the commands on prefixes.
func (o onRelease) hasPrefixes() bool { return o.number >= 22 }

func onReleases(t *testing.T, test func(t *testing.T, o onRelease)) {
	t.Helper()
	for _, number := range ocisim.Releases() {
		for _, set := range []bool{false, true} {
			o := onRelease{number, set}
			t.Run(o.String(), func(t *testing.T) { test(t, o) })
		}
	}
}

// The responses of the documented endpoints are the same on every release, but
// for prefixes if it has none.
func TestEveryEndpointOnEveryRelease(t *testing.T) {
	onReleases(t, func(t *testing.T, o onRelease) {
		t.Parallel()
		for _, q := range underRaceSixth(t, quartets(t)) {
			if o.set && !slices.Contains(casesWhereSet, q.name) {
				continue
			}
			t.Run(q.route+"/"+q.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					_, got := q.playOn(t, o.over(setup{}))
					want := q.response(t)
					known := factsOf(t, q.route)
					if body, ok := known.Cases[q.name].On[o.number]; ok {
						got.wantStatus(t, want.Status)
						if diff := cmp.Diff(compact(t, body), compact(t, got.body)); diff != "" {
							t.Errorf("body (-expected +answered):\n%s", diff)
						}
						return
					}
					if o.number < known.since(q.name) && !refusedUnasked(want) {
						refusal := got.wantError(t, http.StatusBadRequest, "NOT_AVAILABLE_IN_RELEASE")
						if refusal.Code != 1025 || len(refusal.Details.Errors) > 0 {
							t.Errorf("got %s", got.body)
						}
						return
					}
					if diff := cmp.Diff(readFile(t, q.file("response.json")), string(got.text(t))); diff != "" {
						t.Errorf("response.json (-file +run):\n%s", diff)
					}
				})
			})
		}
	})
}

// casesWhereSet are the cases that are also played with a configured release: in all
// others it makes no difference how the release is known.
var casesWhereSet = []string{"documented", "example", "service_not_assigned", "not_available", "answer_lost", "outcome_unknown"}

// refusedUnasked reports whether a request is refused before the platform is
// asked anything.
func refusedUnasked(r quartetResponse) bool {
	return r.Status == http.StatusRequestedRangeNotSatisfiable ||
		r.Status == http.StatusBadRequest && (strings.Contains(string(r.Body), `"code": 2,`) || strings.Contains(string(r.Body), `"code": 3,`))
}

func TestLoginsOnEveryRelease(t *testing.T) {
	onReleases(t, func(t *testing.T, o onRelease) {
		for name, overTLS := range map[string]bool{"over TCP": false, "over TLS": true} {
			t.Run(name, func(t *testing.T) {
				inBubble(t, o.over(setup{overTLS: overTLS}), func(t *testing.T, r *rig) {
					for range 2 {
						got := r.call(t, loginCall("groupadmin", "groupadmin-demo"))
						got.wantStatus(t, http.StatusOK)
						if !strings.Contains(got.body, `"ids":{"tenant_id":"ApioSpTest","group_id":"ApioGrpTest"}`) || !strings.Contains(got.body, `"user_level":8`) {
							t.Errorf("got %s", got.body)
						}
					}
					r.call(t, loginCall("groupadmin", "wrong")).wantError(t, http.StatusUnauthorized, "UNAUTHENTICATED")
					r.get(t, "numbers").wantStatus(t, http.StatusOK)
				})
			})
		}
	})
}

// What became of a write whose answer was lost is read back.
func TestReadingBackOnEveryRelease(t *testing.T) {
	onReleases(t, func(t *testing.T, o onRelease) {
		for name, test := range map[string]struct{ fault, state string }{
			"done":     {"drop-after-apply times=1 command=GroupRoute*AssignListRequest", "done"},
			"not done": {"drop-before-apply times=1 command=GroupRoute*AssignListRequest", "not_done"},
		} {
			t.Run(name, func(t *testing.T) {
				inBubble(t, o.over(setup{}), func(t *testing.T, r *rig) {
					r.inject(t, test.fault)
					got := r.call(t, assignFreeRange())
					time.Sleep(time.Minute)
					path := "/api/v1/operations/" + got.header.Get("Operation-Id") + "/"
					if reported := r.call(t, call{path: path, client: system}); !strings.Contains(reported.body, `"state":"`+test.state+`"`) {
						t.Errorf("got %s", reported.body)
					}
				})
			})
		}
	})
}

// A release that is detected or set costs no more documents than the one that
// the gateway was made for, but for the version command.
func TestDocumentsOnEveryRelease(t *testing.T) {
	onReleases(t, func(t *testing.T, o onRelease) {
		inBubble(t, o.over(setup{}), func(t *testing.T, r *rig) {
			for range 2 {
				r.get(t, "numbers").wantStatus(t, http.StatusOK)
				time.Sleep(time.Minute) // the cached context of the group has expired
			}
			versions, refused := 0, 0
			for _, entry := range r.platform.Ledger() {
				if entry.Command == "SystemSoftwareVersionGetRequest" {
					versions++
				}
				if entry.Error != 0 {
					refused++
				}
			}
			want := 1
			if o.set {
				want = 0
			}
			if versions != want || refused != 0 {
				t.Errorf("the version was asked for %d times, %d commands were refused", versions, refused)
			}
		})
	})
}

// If the platform does not report its release, everything works nevertheless, with each
// form of refusal except closed connections.
func TestUnknownReleases(t *testing.T) {
	for _, number := range ocisim.Releases() {
		for _, way := range []ocisim.RefusalMode{ocisim.RefusalCommand, ocisim.RefusalDocument} {
			t.Run(fmt.Sprint("release ", number, " that refuses the ", way), func(t *testing.T) {
				o := onRelease{number: number}
				s := o.over(setup{overTLS: true, seed: func(seed *ocisim.Seed) {
					seed.Platform.Refusal = way
					seed.Faults = append(seed.Faults, parseFault(t, "error-before-apply number=5404 command=SystemSoftwareVersion*"))
				}})
				inBubble(t, s, func(t *testing.T, r *rig) {
					for range 2 {
						r.call(t, loginCall("groupadmin", "groupadmin-demo")).wantStatus(t, http.StatusOK)
						r.get(t, "numbers").wantStatus(t, http.StatusOK)
						if got := r.get(t, "prefixes"); o.hasPrefixes() {
							got.wantStatus(t, http.StatusOK)
						} else {
							got.wantError(t, http.StatusBadRequest, "NOT_AVAILABLE_IN_RELEASE")
						}
						time.Sleep(time.Minute)
					}
					r.call(t, assignFreeRange()).wantStatus(t, http.StatusCreated)
					if release := r.client.Stats().Endpoints[0].Dialect.Release; release != oci.ReleaseUnknown {
						t.Errorf("release %d", release)
					}
				})
			})
		}
	}
}

// A release that is set or detected wrongly is found out.
func TestAReleaseThatIsWronglyTakenForAnother(t *testing.T) {
	for _, way := range []ocisim.RefusalMode{ocisim.RefusalCommand, ocisim.RefusalDocument} {
		t.Run(fmt.Sprint("that refuses the ", way), func(t *testing.T) {
			s := setup{overTLS: true, seed: func(seed *ocisim.Seed) {
				seed.Platform.Release, seed.Platform.Version, seed.Platform.Refusal = 21, "24", way
			}}
			inBubble(t, s, func(t *testing.T, r *rig) {
				for range 3 {
					r.call(t, loginCall("groupadmin", "groupadmin-demo")).wantStatus(t, http.StatusOK)
					r.get(t, "numbers").wantStatus(t, http.StatusOK)
					r.get(t, "prefixes").wantError(t, http.StatusBadRequest, "NOT_AVAILABLE_IN_RELEASE")
					time.Sleep(time.Minute)
				}
				r.call(t, assignFreeRange()).wantStatus(t, http.StatusCreated)
				before := len(r.platform.Ledger())
				r.get(t, "numbers").wantStatus(t, http.StatusOK)
				for _, entry := range r.platform.Ledger()[before:] {
					if entry.Error != 0 {
						t.Errorf("%s is refused again", entry.Command)
					}
				}
			})
		})
	}
}

// A platform that closes the connection for what it does not support works with its
// release configured, and with a release that it reports.
func TestReleasesThatCloseConnections(t *testing.T) {
	onReleases(t, func(t *testing.T, o onRelease) {
		s := o.over(setup{overTLS: true, seed: func(seed *ocisim.Seed) { seed.Platform.Refusal = ocisim.RefusalClose }})
		inBubble(t, s, func(t *testing.T, r *rig) {
			for range 30 { // the first logins teach which of them the platform has
				if r.get(t, "numbers").status == http.StatusOK {
					break
				}
				time.Sleep(time.Second)
			}
			r.get(t, "numbers").wantStatus(t, http.StatusOK)
			r.call(t, loginCall("groupadmin", "groupadmin-demo")).wantStatus(t, http.StatusOK)
			r.call(t, assignFreeRange()).wantStatus(t, http.StatusCreated)
		})
	})
}

// Without the command that lists departments, names are taken from their paths.
func TestDepartmentsWithoutTheirList(t *testing.T) {
	for _, way := range ocisim.RefusalModes() {
		t.Run(fmt.Sprint("refused by ", way), func(t *testing.T) {
			s := setup{seed: func(seed *ocisim.Seed) {
				seed.Platform.Without, seed.Platform.Refusal = []string{"GroupDepartmentGetListRequest18"}, way
			}}
			inBubble(t, s, func(t *testing.T, r *rig) {
				if way == ocisim.RefusalClose { // once it may be an outage
					r.get(t, "numbers").wantStatus(t, http.StatusBadGateway)
					time.Sleep(time.Second)
				}
				for range 3 {
					got := r.get(t, "numbers")
					got.wantStatus(t, http.StatusOK)
					if !strings.Contains(got.body, `"departmentName":"test_department_initial"`) {
						t.Errorf("got %s", got.body)
					}
					time.Sleep(time.Minute)
				}
			})
		})
	}
}

// What two dropped connections have taken away comes back.
func TestOptionalCommandsComeBackAfterAnOutage(t *testing.T) {
	s := setup{overTLS: true, seed: func(seed *ocisim.Seed) { seed.Platform.Release = 24 }}
	inBubble(t, s, func(t *testing.T, r *rig) {
		for _, command := range []string{"GroupDepartmentGetListRequest18", "AuthenticationVerify*", "SystemSoftwareVersionGet*", "LoginRequest22*"} {
			r.inject(t, "drop-before-apply times=4 command="+command)
		}
		for range 20 {
			r.get(t, "numbers")
			r.call(t, loginCall("groupadmin", "groupadmin-demo"))
			time.Sleep(2 * time.Second)
		}
		time.Sleep(time.Hour)
		r.platform.Restart() // for a new session
		for range 3 {
			r.get(t, "numbers").wantStatus(t, http.StatusOK)
			r.call(t, loginCall("groupadmin", "groupadmin-demo")).wantStatus(t, http.StatusOK)
			time.Sleep(10 * time.Minute)
		}
		if got := r.client.Stats().Endpoints[0].Dialect; got.Release != 24 || len(got.Fallbacks) > 0 {
			t.Errorf("got %+v", got)
		}
	})
}

// A platform repeats the command that it refuses, password and all. No output of
// the gateway does.
func TestPasswordsThatAPlatformRepeatsAreNotPassedOn(t *testing.T) {
	const canary = "hunter2-CANARY-0451"
	for _, way := range ocisim.RefusalModes() {
		for name, s := range map[string]setup{
			"release 21 over TLS":       onRelease{number: 21}.over(setup{overTLS: true}),
			"release 24 over TLS":       onRelease{number: 24}.over(setup{overTLS: true}),
			"no verification at all":    onRelease{number: 24, set: true}.over(setup{overTLS: true, seed: without("AuthenticationVerify*")}),
			"verification by a command": onRelease{number: 24, set: true}.over(setup{overTLS: true, verify: gateway.VerifyByCommand, seed: without("AuthenticationVerify*")}),
			"no login that is known":    onRelease{number: 24}.over(setup{overTLS: true, verify: gateway.VerifyByLogin, seed: without("LoginRequest*")}),
			"signed logins":             onRelease{number: 24}.over(setup{}),
		} {
			t.Run(fmt.Sprintf("%s, refused by %s", name, way), func(t *testing.T) {
				seed := s.seed
				s.seed = func(to *ocisim.Seed) {
					change(seed, to)
					to.Platform.Refusal = way
					for i := range to.Administrators {
						if to.Administrators[i].ID == gatewayUser {
							to.Administrators[i].Password = canary
						}
					}
				}
				platform := s.platform
				s.platform = func(o *oci.Options) {
					o.Endpoints[0].Password, o.LoginTimeout = canary, time.Second
					change(platform, o)
				}
				inBubble(t, s, func(t *testing.T, r *rig) {
					var outputs strings.Builder
					long := canary + strings.Repeat("x", 60) // does not fit the schema
					for range 3 {
						for _, c := range []call{
							loginCall("groupadmin", canary), loginCall("groupadmin", long), loginCall("nobody", canary), loginCall(strings.Repeat("u", 200), canary),
							{path: ownList("numbers"), client: system}, {path: ownList("prefixes"), client: system}, assignFreeRange(),
						} {
							got := r.call(t, c)
							fmt.Fprintln(&outputs, got.status, got.header, got.body)
						}
						time.Sleep(10 * time.Minute)
					}
					outputs.WriteString(r.log.String() + fmt.Sprint(samples(t, r)))
					for _, content := range r.journalFiles(t) {
						outputs.Write(content)
					}
					fmt.Fprintf(&outputs, "%+v", r.client.Stats())
					if at := strings.Index(outputs.String(), "CANARY"); at >= 0 {
						t.Errorf("an output holds the password: %.300q", outputs.String()[max(0, at-200):])
					}
				})
			})
		}
	}
}

func without(commands string) func(*ocisim.Seed) {
	return func(seed *ocisim.Seed) { seed.Platform.Without = append(seed.Platform.Without, commands) }
}
