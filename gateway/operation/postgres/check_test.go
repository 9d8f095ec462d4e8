//go:build unix

package postgres

import (
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"ocigate/gateway/operation"
	"ocigate/gateway/operation/postgres/postgrestest"
)

// These tests specify Check, and that the privileges on the operators' page are those that the
// store needs. To add a case, have useAll call the method in question.

// page is the operators' page about the journal.
const page = "../README.md"

// The role of that page.
const (
	grantedRole     = "gateway"
	grantedPassword = "secret"
)

// grants returns the statements of the page that give the role its privileges.
func grants(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile(page)
	must(t, err)
	found := regexp.MustCompile("(?s)<!-- privileges begin -->\n```sql\n(.*?)```").FindSubmatch(text)
	if found == nil {
		t.Fatalf("%s does not name the privileges", page)
	}
	return strings.Split(strings.TrimSpace(string(found[1])), "\n")
}

// asGranted creates a role without any privilege, and returns the URL of the database for
// it.
func asGranted(t *testing.T, server *postgrestest.Server, address string) string {
	t.Helper()
	server.Exec(t, address, "DO $$ BEGIN CREATE ROLE "+grantedRole+" LOGIN PASSWORD '"+grantedPassword+"'; EXCEPTION WHEN duplicate_object THEN NULL; END $$")
	u, err := url.Parse(address)
	must(t, err)
	name := strings.TrimPrefix(u.Path, "/")
	server.Exec(t, address, "REVOKE ALL ON DATABASE "+name+" FROM PUBLIC")
	server.Exec(t, address, "GRANT CONNECT ON DATABASE "+name+" TO "+grantedRole)
	server.Exec(t, address, "REVOKE ALL ON SCHEMA public FROM PUBLIC")
	return server.URL(grantedRole, grantedPassword, name)
}

// useAll calls all methods of a store.
func useAll(t *testing.T, s *Store, name string) {
	t.Helper()
	op := keyed(received(name, "a", name))
	beginAll(t, s, op)
	op = record(t, s, op, operation.Intent)
	record(t, s, op, operation.Done)
	abandoned := received(name+"-abandoned", "stopped", name+"-abandoned")
	beginAll(t, s, abandoned)
	must(t, s.Abandon(t.Context(), abandoned))
	must(t, s.Append(t.Context(), event(op)))
	_, err := s.Adopt(t.Context(), "a")
	must(t, err)
	_, _, err = s.List(t.Context(), operation.Query{Limit: 1})
	must(t, err)
	_, err = s.Touched(t.Context(), op)
	must(t, err)
	must(t, s.Prune(t.Context(), moment()))
	must(t, s.Check(t.Context()))
	lines(t, s)
}

func TestPrivileges(t *testing.T) {
	server, address := database(t)
	mine := asGranted(t, server, address)
	owner := open(t, address, Options{})
	must(t, owner.Check(t.Context())) // and makes the tables
	statements := grants(t)
	for _, sql := range statements {
		server.Exec(t, address, sql)
	}
	s := open(t, mine, Options{})
	useAll(t, s, "granted")

	named := regexp.MustCompile(`^GRANT (.*) ON ocigate\.(ocigate_\w+) TO gateway;$`)
	tables := 0
	for _, sql := range statements {
		found := named.FindStringSubmatch(sql)
		if found == nil {
			continue // of the schema
		}
		tables++
		for privilege := range strings.SplitSeq(found[1], ", ") {
			server.Exec(t, address, "REVOKE "+privilege+" ON ocigate."+found[2]+" FROM "+grantedRole)
			want := "the role gateway lacks the privileges " + privilege + " on " + found[2]
			fresh := open(t, mine, Options{})
			if err := fresh.Check(t.Context()); err == nil || !strings.Contains(err.Error(), want) && found[2] != "ocigate_schema" {
				t.Errorf("without %s on %s: %v", privilege, found[2], err)
			} else if !strings.Contains(err.Error(), found[2]) {
				t.Errorf("without %s on %s: %v, which does not name the table", privilege, found[2], err)
			}
			server.Exec(t, address, "GRANT "+privilege+" ON ocigate."+found[2]+" TO "+grantedRole)
		}
	}
	if tables != len(privileges) {
		t.Errorf("%s names %d tables, and there are %d", page, tables, len(privileges))
	}
	must(t, s.Check(t.Context()))
}

func TestPrivilegesToMakeTheTables(t *testing.T) {
	t.Run("and the schema", func(t *testing.T) {
		server, address := database(t)
		mine := asGranted(t, server, address)
		s := open(t, mine, Options{})
		if err := s.Check(t.Context()); err == nil || !strings.Contains(err.Error(), "needs CREATE on the database") {
			t.Errorf("without a privilege: %v", err)
		}
		server.Exec(t, address, "DO $$ BEGIN EXECUTE 'GRANT CREATE ON DATABASE ' || current_database() || ' TO "+grantedRole+"'; END $$")
		useAll(t, s, "made")
	})
	t.Run("in a schema that another role has made", func(t *testing.T) {
		server, address := database(t)
		mine := asGranted(t, server, address)
		s := open(t, mine, Options{})
		for _, sql := range []string{"CREATE SCHEMA ocigate", "GRANT USAGE ON SCHEMA ocigate TO " + grantedRole} {
			server.Exec(t, address, sql)
			if err := s.Check(t.Context()); err == nil || !strings.Contains(err.Error(), "or on the schema ocigate") {
				t.Errorf("after %s: %v", sql, err)
			}
		}
		server.Exec(t, address, "GRANT CREATE ON SCHEMA ocigate TO "+grantedRole)
		useAll(t, s, "made")
	})
}

func TestCheck(t *testing.T) {
	server, address := database(t)
	s := open(t, address, Options{})
	must(t, s.Check(t.Context()))
	server.Exec(t, address, "ALTER TABLE ocigate_audit RENAME TO moved")
	if err := s.Check(t.Context()); err == nil || !strings.Contains(err.Error(), "ocigate_audit") {
		t.Errorf("without a table: %v", err)
	}
	server.Exec(t, address, "ALTER TABLE moved RENAME TO ocigate_audit")
	must(t, s.Check(t.Context()))
	if adopted, err := s.Adopt(t.Context(), "a"); err != nil || len(adopted) > 0 {
		t.Errorf("a check leaves %v, %v", adopted, err)
	}
	must(t, server.Stop())
	if err := s.Check(t.Context()); err == nil {
		t.Error("a server that is away is usable")
	}
	must(t, server.Start())
	must(t, s.Check(t.Context()))
}

// TestCheckWaitsForNoOther lets a replica vanish during its check. The others must still
// find the journal usable.
func TestCheckWaitsForNoOther(t *testing.T) {
	_, address := database(t)
	vanished := open(t, address, Options{})
	must(t, vanished.Check(t.Context()))
	tx, err := vanished.pool.Begin(t.Context())
	must(t, err)
	defer func() { _ = tx.Rollback(t.Context()) }()
	_, err = tx.Exec(t.Context(), `SELECT FROM ocigate_replicas FOR UPDATE`)
	must(t, err)
	other := open(t, address, Options{Timeout: 2 * time.Second})
	must(t, other.Check(t.Context()))
}
