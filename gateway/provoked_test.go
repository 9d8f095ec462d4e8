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

// Every error that a route declares can happen. Add a way to ways if a new error needs more
// than a request and faults.

// provocation is how to cause an error of a route that no case of the route has: a changed
// good request to a platform with faults, or one of ways.
type provocation struct {
	// By is one of ways; empty for the good request.
	By string `yaml:"by"`
	// Body and Query replace those of the good request.
	Body  string `yaml:"body"`
	Query string `yaml:"query"`
	// Faults are the platform's.
	Faults []string `yaml:"faults"`
	// Release is that of the platform, if it is not that of the demonstration.
	Release int `yaml:"release"`
	// Version is the release that the platform reports, likewise.
	Version string `yaml:"version"`
	// TLS reaches the platform over TLS.
	TLS bool `yaml:"tls"`
}

// halfOfCommand is the way that needs write.half.
const halfOfCommand = "half of a command"

// ways returns how to cause errors that need more than one request, or another setup of
// the gateway. They are the same for all routes of a kind.
func ways() map[string]func(t *testing.T, route gateway.Route) response {
	return map[string]func(*testing.T, gateway.Route) response{
		"long body": func(t *testing.T, route gateway.Route) response {
			asked := goodCall(t, route)
			asked.body = `{"x":"` + strings.Repeat("x", 1<<20) + `"}`
			return start(t, setup{}).call(t, asked)
		},
		"endless body": timed(func(t *testing.T, r *rig, route gateway.Route) response {
			return r.unfinished(t, route, halfABody)
		}),
		"broken journal": timed(func(t *testing.T, r *rig, route gateway.Route) response {
			r.breakJournal(t)
			time.Sleep(time.Minute) // what is open already can be read for a while
			if route.Change != nil {
				return r.call(t, writeCaseOf(route.Name).call)
			}
			return r.call(t, goodCall(t, route))
		}),
		"held entries": timed(func(t *testing.T, r *rig, route gateway.Route) response {
			r.loseReply(t, writeCaseOf(route.Name), "")
			return r.call(t, writeCaseOf(route.Name).call)
		}),
		"key of another path": timed(func(t *testing.T, r *rig, route gateway.Route) response {
			w := writeCaseOf(route.Name)
			r.call(t, w.by(system).keyed("k"))
			return r.call(t, w.another().keyed("k"))
		}),
		"key of a running request": timed(func(t *testing.T, r *rig, route gateway.Route) response {
			w := writeCaseOf(route.Name)
			r.inject(t, withCommand("slow delay=5s", w.command))
			go r.call(t, w.call.keyed("k"))
			synctest.Wait()
			return r.call(t, w.call.keyed("k"))
		}),
		"key of a write that was not done": timed(func(t *testing.T, r *rig, route gateway.Route) response {
			r.loseReply(t, writeCaseOf(route.Name), "k")
			time.Sleep(time.Minute)
			return r.call(t, writeCaseOf(route.Name).call.keyed("k"))
		}),
		halfOfCommand: func(t *testing.T, route gateway.Route) (got response) {
			if writeCaseOf(route.Name).Half == nil {
				t.Fatalf("%s has no write.half", route.Name)
			}
			w, s := writeCaseOf(route.Name).partlyDone()
			inBubble(t, s, func(t *testing.T, r *rig) { got = r.retriedLater(t, w) })
			return got
		},
	}
}

// timed returns a way that runs in a bubble, on a rig of an empty setup.
func timed(way func(*testing.T, *rig, gateway.Route) response) func(*testing.T, gateway.Route) response {
	return func(t *testing.T, route gateway.Route) (got response) {
		inBubble(t, setup{}, func(t *testing.T, r *rig) { got = way(t, r, route) })
		return got
	}
}

// provoke causes the error at a route.
func (p provocation) provoke(t *testing.T, route gateway.Route) (got response) {
	t.Helper()
	if p.By != "" {
		return ways()[p.By](t, route)
	}
	s := setup{overTLS: p.TLS, faults: p.Faults, seed: seedOfExample(t, route)}
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
	asked := goodCall(t, route)
	if p.Body != "" {
		asked.body = p.Body
	}
	if p.Query != "" {
		asked.path += "?" + p.Query
	}
	inBubble(t, s, func(t *testing.T, r *rig) { got = r.call(t, asked) })
	return got
}

// seedOfExample has the platform as the good request needs it.
func seedOfExample(t *testing.T, route gateway.Route) func(*ocisim.Seed) {
	t.Helper()
	if !hasCommands(route) || !(quartet{route.Name, factsOf(t, route.Name).goodCase()}).request(t).Assumed {
		return nil
	}
	return exampleSeed(t, route.Name, ownTenant, ownGroup)
}

// goodCall returns the request of the route's good case or, where the route has no cases,
// one about what the demonstration has, or about an operation that does not exist.
func goodCall(t *testing.T, route gateway.Route) call {
	t.Helper()
	known := factsOf(t, route.Name)
	if !hasCommands(route) {
		asked := call{method: route.Method, path: ownPath(route), body: known.Request}
		if known.Level != noLevel {
			asked.client = system
		}
		return asked
	}
	asked := quartet{route.Name, known.goodCase()}.request(t)
	return call{method: asked.Method, path: asked.Path, client: system, body: string(asked.Body)}
}

// Every error that a route names happens: in a case of the route, see TestQuartets,
// or here.
func TestEveryErrorOfARouteHappens(t *testing.T) {
	for _, route := range apiRoutes() {
		provoked := factsOf(t, route.Name).Provoked
		for _, name := range underRaceSixth(t, slices.Sorted(maps.Keys(provoked))) {
			t.Run(route.Name+"/"+name, func(t *testing.T) {
				code, ok := errcode.ByName(name)
				if !ok {
					t.Fatal("there is no such error")
				}
				provoked[name].provoke(t, route).wantError(t, code.Status, name)
			})
		}
	}
}

// A way would ignore parts of a request.
func (p provocation) problems(key string) []string {
	if p.By == "" {
		return nil
	}
	if ways()[p.By] == nil {
		return []string{key + ".by: there is no way \"" + p.By + "\"; there are: " + strings.Join(slices.Sorted(maps.Keys(ways())), ", ")}
	}
	if p.Body != "" || p.Query != "" || p.Faults != nil || p.Release != 0 || p.Version != "" || p.TLS {
		return []string{key + ".by: must be the only key"}
	}
	return nil
}
