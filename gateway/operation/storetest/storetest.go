// Package storetest has the tests that every [operation.Store] must pass.
//
// The store's own package determines how data are created and shared, in a [Rig], and
// calls [Run] with it from a test. [RunFormat1] tests a store over data of format 1.
//
// To add a case, add a [test] to the list of the method in question, such as beginTests in
// begin.go: a name that says what the store does, and a function that uses the helpers of
// world.go. Each case gets its own data. Operations get ids in the order of their
// creation: operation-0001, operation-0002 and so on.
package storetest

import (
	"iter"
	"slices"
	"testing"

	"ocigate/gateway/operation"
)

// Rig gives access to the data of one test, which are empty at first.
type Rig struct {
	// Open opens a store over the data. The tests close it.
	Open func() operation.Store
	// Shared reports whether several stores may be open at the same time, as those
	// of replicas are. If not, one is closed before the next is opened.
	Shared bool
	// Expire lets the lease of an owner run out. It is nil if an owner stops when its
	// store is closed.
	Expire func(owner string)
	// Lose makes an owner lose what shows that it runs, so that AdoptLost takes its
	// operations over at once. It is nil if AdoptLost does nothing.
	Lose func(owner string)
	// Trail iterates over the audit trail from its first line.
	Trail func() iter.Seq2[[]byte, error]
	// Rewrite replaces the lines of the audit trail behind the store's back. It is
	// only needed by Run.
	Rewrite func(lines [][]byte)
}

// Run tests a store. Each test has its own data, which setUp creates, and removes at the
// end of the test that it is given.
//
// The times of the tests are multiples of a microsecond: a store need not be more precise.
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
		{"AdoptLost", lostTests},
		{"Touched", touchedTests},
		{"Trail", trailTests},
		{"Tampering", tamperingTests},
		{"Prune", pruneTests},
		{"Release", releaseTests},
		{"Revocations", revocationTests},
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

// test is one case: what the store does, and the test of it.
type test struct {
	outcome string
	run     func(w *world)
}
