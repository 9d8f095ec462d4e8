//go:build unix

package postgres

import (
	"iter"
	"testing"

	"ocigate/gateway/operation"
	"ocigate/gateway/operation/postgres/postgrestest"
	"ocigate/gateway/operation/storetest"
)

// This file runs the tests of package storetest, to which a case for any store is added.

func TestStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Rig {
		server, address := database(t)
		reader := open(t, address, Options{})
		var opened replicas
		return storetest.Rig{
			Open:    func() operation.Store { return opened.open(t, address, Options{}) },
			Shared:  true,
			Expire:  func(owner string) { expire(t, server, address, owner) },
			Lose:    func(owner string) { opened.lose(t, server, address, owner) },
			Trail:   func() iter.Seq2[[]byte, error] { return reader.Trail(t.Context()) },
			Rewrite: func(lines [][]byte) { rewrite(t, server, address, lines) },
		}
	})
}

// replicas are the stores of a test.
type replicas []*Store

// open opens another store, which takes over at once from owners that are lost.
func (r *replicas) open(t *testing.T, address string, o Options) *Store {
	t.Helper()
	s, err := Open(address, o)
	must(t, err)
	s.lost.grace = 0
	*r = append(*r, s)
	return s
}

// lose makes an owner lose its lock, which it cannot get again, and does not notice that.
func (r *replicas) lose(t *testing.T, server *postgrestest.Server, address, name string) {
	t.Helper()
	for _, s := range *r {
		s.locks.close()
	}
	s := (*r)[0]
	(&owner{Store: s, t: t, name: name, server: server, address: address}).gone()
	must(t, s.noteLock(t.Context(), name, true))
}

// rewrite replaces the lines of the audit trail.
func rewrite(t *testing.T, server *postgrestest.Server, address string, lines [][]byte) {
	t.Helper()
	rewriteIn(t, server, address, "", lines)
}

// rewriteIn does so in a schema, which ends in a dot.
func rewriteIn(t *testing.T, server *postgrestest.Server, address, schema string, lines [][]byte) {
	t.Helper()
	server.Exec(t, address, `DELETE FROM `+schema+`ocigate_audit`)
	for _, line := range lines {
		head, _, err := operation.HeadOf(line)
		must(t, err)
		server.Exec(t, address, `INSERT INTO `+schema+`ocigate_audit (seq, line) VALUES ($1, $2)`, head.Sequence, string(line))
	}
}
