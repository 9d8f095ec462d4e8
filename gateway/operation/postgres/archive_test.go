//go:build unix

package postgres

import (
	"strings"
	"testing"

	"ocigate/gateway/operation"
)

// These tests specify how archived lines leave the table of the trail, and who may remove
// them.

// fill adds n lines to the trail, and returns the head of the line with a number.
func fill(t *testing.T, s *Store, n int, number int64) operation.Head {
	t.Helper()
	for range n {
		must(t, s.Append(t.Context(), operation.Event{Time: moment(), Kind: operation.EventLogin}))
	}
	for line, err := range s.trailFrom(t.Context(), number) {
		must(t, err)
		head, _, err := operation.HeadOf(line)
		must(t, err)
		return head
	}
	t.Fatal("there is no such line")
	return operation.Head{}
}

// verified verifies the trail with what the store knows of it.
func verified(t *testing.T, s *Store) operation.Verified {
	t.Helper()
	b, err := s.Bounds(t.Context())
	must(t, err)
	found, err := operation.Verification{After: b.Archived, Heads: []operation.Head{b.Head}}.Run(s.Trail(t.Context()))
	must(t, err)
	return found
}

func TestArchivedLinesAreRemoved(t *testing.T) {
	server, address := database(t)
	s := open(t, address, Options{})
	const count = pruneBatch + 10 // more than are removed in one transaction
	order := operation.TrailOrder{By: "anna", Archive: "/archive/2026.jsonl", Head: fill(t, s, count, count-5)}
	must(t, s.ArchiveTrail(t.Context(), order))
	if found := verified(t, s); found.First != count-4 || found.Head.Sequence != count+1 {
		t.Errorf("the trail: %+v", found)
	}
	last := server.Value(t, address, `SELECT line FROM ocigate_audit ORDER BY seq DESC LIMIT 1`)
	if !strings.Contains(last, `"event":"audit_archive"`) || !strings.Contains(last, order.Head.String()) || !strings.Contains(last, order.Archive) {
		t.Errorf("the line of the archive is %s", last)
	}
	must(t, s.ArchiveTrail(t.Context(), order)) // again does nothing
	if found := verified(t, s); found.Head.Sequence != count+1 {
		t.Errorf("the trail: %+v", found)
	}
}

// Lines that the archive has and that could not be removed are valid, and are removed by the
// next call.
func TestArchiveThatWasInterruptedIsCompleted(t *testing.T) {
	server, address := database(t)
	s := open(t, address, Options{})
	order := operation.TrailOrder{By: "anna", Head: fill(t, s, 10, 6)}
	server.Exec(t, address, `UPDATE ocigate_audit_archived SET seq = $1, hash = $2`, order.Head.Sequence, order.Head.Hash)
	server.Exec(t, address, `DELETE FROM ocigate_audit WHERE seq < 3`)
	if found := verified(t, s); found.First != 3 {
		t.Errorf("the trail: %+v", found)
	}
	must(t, s.ArchiveTrail(t.Context(), order))
	if found := verified(t, s); found.First != 7 || found.Head.Sequence != 10 {
		t.Errorf("the trail: %+v", found)
	}
}

func TestArchiveIsRefused(t *testing.T) {
	_, address := database(t)
	s := open(t, address, Options{})
	first := fill(t, s, 5, 1)
	last, err := s.Head(t.Context())
	must(t, err)
	for name, head := range map[string]operation.Head{
		"of the last line":              last,
		"of a line with another hash":   {Sequence: 2, Hash: first.Hash},
		"of a line that does not exist": {Sequence: 9, Hash: first.Hash},
	} {
		if err := s.ArchiveTrail(t.Context(), operation.TrailOrder{By: "anna", Head: head}); err == nil {
			t.Errorf("the archive %s was accepted", name)
		}
	}
	if got := lines(t, s); got != 5 {
		t.Errorf("the trail has %d lines", got)
	}
}

// The role of the gateway can neither remove lines nor say that they are archived.
func TestGatewayCannotArchive(t *testing.T) {
	server, address := database(t)
	mine := asGranted(t, server, address)
	owner := open(t, address, Options{})
	order := operation.TrailOrder{By: "anna", Head: fill(t, owner, 5, 3)}
	for _, sql := range grants(t) {
		server.Exec(t, address, sql)
	}
	s := open(t, mine, Options{})
	if err := s.ArchiveTrail(t.Context(), order); err == nil || !strings.Contains(err.Error(), "permission denied") {
		t.Errorf("%v", err)
	}
	if found := verified(t, s); found.First != 1 || found.Head.Sequence != 5 {
		t.Errorf("the trail: %+v", found)
	}
	must(t, owner.ArchiveTrail(t.Context(), order))
}

func TestHeadRowThatWasChangedIsNoticed(t *testing.T) {
	for name, sql := range map[string]string{
		"back":    `UPDATE ocigate_audit_head SET seq = 2, hash = (SELECT substr(right(line, 66), 1, 64) FROM ocigate_audit WHERE seq = 2)`,
		"forward": `UPDATE ocigate_audit_head SET seq = 9`,
		"to zero": `UPDATE ocigate_audit_head SET seq = 0, hash = ''`,
	} {
		t.Run(name, func(t *testing.T) {
			server, address := database(t)
			s := open(t, address, Options{})
			fill(t, s, 5, 1)
			server.Exec(t, address, sql)
			if _, err := s.Head(t.Context()); !isDisagreement(err) {
				t.Errorf("Head: %v", err)
			}
			if err := s.Check(t.Context()); !isDisagreement(err) {
				t.Errorf("Check: %v", err)
			}
			if err := s.Append(t.Context(), operation.Event{Time: moment(), Kind: operation.EventLogin}); err == nil {
				t.Error("a line was added")
			}
			found, err := Inspect(t.Context(), address, Options{})
			if err != nil || found.TrailError == nil {
				t.Errorf("Inspect: %+v, %v", found, err)
			}
		})
	}
}
