package gateway_test

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"ocigate/gateway"
	"ocigate/oci/ocisim"
	"ocigate/translate/errcode"
)

// provocation is how an error of a row happens that no case of the row has: the
// good request, changed, to a platform that is not as it should be, or a way that
// needs more than that.
type provocation struct {
	// By is one of ways; empty for the good request.
	By string `yaml:"by"`
	// Body and Query take the place of the good request's.
	Body  string `yaml:"body"`
	Query string `yaml:"query"`
	// Faults are the platform's.
	Faults []string `yaml:"faults"`
	// Release is the platform's, where it is not the demonstration's.
	Release int `yaml:"release"`
	// Version is what the platform says that its release is, likewise.
	Version string `yaml:"version"`
	// TLS reaches the platform over TLS.
	TLS bool `yaml:"tls"`
}

// halfOfCommand is the way that needs write.half.
const halfOfCommand = "half of a command"

// ways are the ways to errors that need more than one request, or a gateway that
// is not as it should be. They are the same for all rows of a kind.
func ways() map[string]func(t *testing.T, e gateway.Route) answer {
	return map[string]func(*testing.T, gateway.Route) answer{
		"long body": func(t *testing.T, e gateway.Route) answer {
			asked := goodCall(t, e)
			asked.body = `{"x":"` + strings.Repeat("x", 1<<20) + `"}`
			return start(t, setup{}).call(t, asked)
		},
		"broken journal": timed(func(t *testing.T, r *rig, e gateway.Route) answer {
			r.breakJournal(t)
			time.Sleep(time.Minute) // what is open already can be read for a while
			if e.Change != nil {
				return r.call(t, writingOf(e.Name).call)
			}
			return r.call(t, goodCall(t, e))
		}),
		"held entries": timed(func(t *testing.T, r *rig, e gateway.Route) answer {
			r.loseAnswer(t, writingOf(e.Name), "")
			return r.call(t, writingOf(e.Name).call)
		}),
		"key of another path": timed(func(t *testing.T, r *rig, e gateway.Route) answer {
			w := writingOf(e.Name)
			r.call(t, w.by(system).keyed("k"))
			return r.call(t, w.another().keyed("k"))
		}),
		"key of a running request": timed(func(t *testing.T, r *rig, e gateway.Route) answer {
			w := writingOf(e.Name)
			r.inject(t, withCommand("slow delay=5s", w.command))
			go r.call(t, w.call.keyed("k"))
			synctest.Wait()
			return r.call(t, w.call.keyed("k"))
		}),
		"key of a write that was not done": timed(func(t *testing.T, r *rig, e gateway.Route) answer {
			r.loseAnswer(t, writingOf(e.Name), "k")
			time.Sleep(time.Minute)
			return r.call(t, writingOf(e.Name).call.keyed("k"))
		}),
		halfOfCommand: func(t *testing.T, e gateway.Route) (got answer) {
			if writingOf(e.Name).Half == nil {
				t.Fatalf("%s has no write.half", e.Name)
			}
			w, s := writingOf(e.Name).halfDone()
			inTime(t, s, func(t *testing.T, r *rig) { got = r.foundOut(t, w) })
			return got
		},
	}
}

// timed is a way in a bubble, on an ordinary rig.
func timed(way func(*testing.T, *rig, gateway.Route) answer) func(*testing.T, gateway.Route) answer {
	return func(t *testing.T, e gateway.Route) (got answer) {
		inTime(t, setup{}, func(t *testing.T, r *rig) { got = way(t, r, e) })
		return got
	}
}

// provoke makes the error happen at a row.
func (p provocation) provoke(t *testing.T, e gateway.Route) (got answer) {
	t.Helper()
	if p.By != "" {
		return ways()[p.By](t, e)
	}
	s := setup{overTLS: p.TLS, faults: p.Faults, seed: seedOfExample(t, e)}
	if p.Release != 0 {
		s = onRelease{number: p.Release}.over(s)
	}
	if p.Version != "" {
		seed := s.seed
		s.seed = func(to *ocisim.Seed) {
			change(seed, to)
			to.Platform.Version = p.Version
		}
	}
	asked := goodCall(t, e)
	if p.Body != "" {
		asked.body = p.Body
	}
	if p.Query != "" {
		asked.path += "?" + p.Query
	}
	inTime(t, s, func(t *testing.T, r *rig) { got = r.call(t, asked) })
	return got
}

// seedOfExample has the platform as the good request needs it.
func seedOfExample(t *testing.T, e gateway.Route) func(*ocisim.Seed) {
	t.Helper()
	if !hasCommands(e) || !(quartet{e.Name, factsOf(t, e.Name).goodCase()}).request(t).Assumed {
		return nil
	}
	return exampleSeed(t, e.Name, ownTenant, ownGroup)
}

// goodCall is the request of the row's good case or, where the row has no cases,
// one about what the demonstration has, or about an operation that nobody knows.
func goodCall(t *testing.T, e gateway.Route) call {
	t.Helper()
	known := factsOf(t, e.Name)
	if !hasCommands(e) {
		asked := call{method: e.Method, path: ownPath(e), body: known.Request}
		if known.Level != noLevel {
			asked.client = system
		}
		return asked
	}
	asked := quartet{e.Name, known.goodCase()}.request(t)
	return call{method: asked.Method, path: asked.Path, client: system, body: string(asked.Body)}
}

// Every error that a row names happens: in a case of the row, see TestQuartets,
// or here.
func TestEveryErrorOfARowHappens(t *testing.T) {
	for _, e := range endpoints() {
		provoked := factsOf(t, e.Name).Provoked
		for _, name := range underRaceThird(t, slices.Sorted(maps.Keys(provoked))) {
			t.Run(e.Name+"/"+name, func(t *testing.T) {
				code, ok := errcode.ByName(name)
				if !ok {
					t.Fatal("there is no such error")
				}
				provoked[name].provoke(t, e).wantError(t, code.Status, name)
			})
		}
	}
}

// A way takes no part of a request, and would ignore it.
func (p provocation) problems(key string) []string {
	if p.By == "" {
		return nil
	}
	if ways()[p.By] == nil {
		return []string{key + ".by: there is no way \"" + p.By + "\"; there are: " + strings.Join(slices.Sorted(maps.Keys(ways())), ", ")}
	}
	if p.Body != "" || p.Query != "" || p.Faults != nil || p.Release != 0 || p.Version != "" || p.TLS {
		return []string{key + ".by: stands beside other keys"}
	}
	return nil
}
