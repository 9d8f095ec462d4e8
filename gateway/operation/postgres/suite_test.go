//go:build unix

package postgres

import (
	"iter"
	"testing"

	"ocigate/gateway/operation"
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
			Shared: true,
			Expire: func(owner string) { expire(t, server, address, owner) },
			Trail:  func() iter.Seq2[[]byte, error] { return reader.Trail(t.Context()) },
		}
	})
}
