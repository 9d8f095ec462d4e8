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
		return storetest.Rig{
			Open: func() operation.Store {
				s, err := Open(address, Options{})
				must(t, err)
				return s
			},
			Shared:  true,
			Expire:  func(owner string) { expire(t, server, address, owner) },
			Trail:   func() iter.Seq2[[]byte, error] { return reader.Trail(t.Context()) },
			Rewrite: func(lines [][]byte) { rewrite(t, server, address, lines) },
		}
	})
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
