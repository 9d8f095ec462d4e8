// Package storetest holds the tests that every [operation.Store] must pass.
// How data are made, shared and lost is left to the store's own package, which
// says so in a [Rig].
package storetest

import (
	"iter"
	"slices"
	"testing"

	"ocigate/gateway/operation"
)

// Rig is the data of one test, none at first, and how to get at them.
type Rig struct {
	// Open opens a store over the data. The tests close it.
	Open func() operation.Store
	// Shared tells that several stores may be open at once, as those of
	// replicas are. If not, one is closed before the next is opened.
	Shared bool
	// Expire makes the stores take an owner for dead, as though it had not
	// been heard of for long. It is nil where owners die with their store.
	Expire func(owner string)
	// Trail reads the audit trail from its first line.
	Trail func() iter.Seq2[[]byte, error]
}

// Run tests a store. Every test has data of its own, which setUp makes, and
// removes with the end of the test that it is given.
//
// The times of the tests are whole microseconds: no store need keep them
// better.
func Run(t *testing.T, setUp func(t *testing.T) Rig) {
	for _, group := range []struct {
		name  string
		tests []test
	}{
		{"Begin", beginTests},
		{"Abandon", abandonTests},
		{"Record", recordTests},
		{"Get", getTests},
		{"List", listTests},
		{"Adopt", adoptTests},
		{"Touched", touchedTests},
		{"Trail", trailTests},
		{"Prune", pruneTests},
		{"Release", releaseTests},
		{"Steps", stepTests},
		{"Races", slices.Concat(raceTests, stepRaces)},
	} {
		t.Run(group.name, func(t *testing.T) {
			for _, c := range group.tests {
				t.Run(c.outcome, func(t *testing.T) {
					w := &world{T: t, Rig: setUp(t)}
					t.Cleanup(w.closeAll)
					w.another()
					c.run(w)
				})
			}
		})
	}
}

// test is one of the tests.
type test struct {
	outcome string
	run     func(w *world)
}
