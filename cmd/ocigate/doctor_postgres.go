package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"ocigate/gateway/operation"
	"ocigate/gateway/operation/postgres"
)

// The names of the checks of a journal in PostgreSQL.
const (
	nameDatabase = "journal_database"
	nameTables   = "journal_tables"
	nameCommit   = "journal_commit"
	nameLock     = "journal_lock"
)

const (
	postgresKey   = "journal.postgres_url"
	databaseLimit = 10 * time.Second
	slowCommit    = 100 * time.Millisecond
)

// checkDatabase makes the checks of a journal in PostgreSQL. It makes and migrates no
// tables.
func (d *doctor) checkDatabase(ctx context.Context) {
	store, err := openPostgres(d.config.Journal, postgres.Options{Timeout: d.limit(databaseLimit)})
	began := time.Now()
	c := journalCheck(nameDatabase, "connect to "+postgresKey)
	if err != nil { // the configuration was checked
		d.report.fail(c, time.Since(began), onOneLine(err), "correct "+d.place(postgresKey))
		return
	}
	defer func() { _ = store.Close() }() // never fails
	c.Tried = "connect to the database " + store.Address()
	limited, cancel := context.WithTimeout(ctx, d.limit(databaseLimit))
	defer cancel()
	found, err := postgres.Inspect(limited, d.config.Journal.PostgresURL.Reveal(), postgres.Options{Schema: d.config.Journal.Schema, Owner: d.config.Journal.Owner})
	failed, ok := errors.AsType[*postgres.InspectError](err)
	if ok && failed.Stage != postgres.StageRead {
		cause, do := d.explainDatabase(failed)
		d.report.fail(c, time.Since(began), cause, do)
		for _, name := range []string{nameTables, nameCommit, nameLock} {
			d.report.skip(check{Name: name}, "the connection to the database failed")
		}
		return
	}
	d.reportDatabase(c, began, found)
	if found.Server != "" {
		d.clocks = append(d.clocks, comparison{"the PostgreSQL server", found.Ahead, found.Uncertain, clockTolerance})
	}
	if d.checkTables(began, found, err) {
		d.checkCommit(ctx, store)
		d.checkLock(ctx, store)
	} else {
		d.report.skip(check{Name: nameCommit}, "there are no tables that this version can use")
		d.report.skip(check{Name: nameLock}, "there are no tables that this version can use")
	}
}

// reportDatabase adds the check of the connection.
func (d *doctor) reportDatabase(c check, began time.Time, found postgres.Inspection) {
	secured := "without TLS"
	if found.Secured {
		secured = "with TLS"
	}
	text := fmt.Sprintf("PostgreSQL %s, database %s, role %s, %s", found.Server, found.Database, found.Role, secured)
	if found.ReadOnly {
		d.report.fail(c, time.Since(began), text+"; the server accepts no writes", "set "+d.place(postgresKey)+" to the primary server, such as with target_session_attrs=read-write")
		return
	}
	d.report.ok(c, time.Since(began), text)
}

// explainDatabase explains why there is no connection.
func (d *doctor) explainDatabase(failed *postgres.InspectError) (cause, do string) {
	text, key := onOneLine(failed.Err), d.place(postgresKey)
	switch failed.Stage {
	case postgres.StageDNS:
		return "DNS: " + text, "check the host in " + key + ", and the name servers of this machine or container"
	case postgres.StageTCP:
		return "TCP: " + text, "check the host and port in " + key + ", that the server runs and listens there, and firewalls"
	case postgres.StageTLS:
		return "TLS: " + text, "check sslmode and sslrootcert in " + key + ", and the certificate of the server"
	}
	return "the server refuses the login: " + text, "check the user, the password and the database in " + key + ", and pg_hba.conf of the server"
}

// checkTables checks what [postgres.Inspect] has found. It reports whether the tables have
// the present format.
func (d *doctor) checkTables(began time.Time, found postgres.Inspection, err error) bool {
	c := journalCheck(nameTables, "read the format of the tables, and the privileges on them")
	switch {
	case err != nil:
		d.report.fail(c, time.Since(began), "the tables cannot be used: "+onOneLine(err), "if another role has made them, or can change them, do what the cause says, as in PostgreSQL in the page about the journal; if a later version has written them, run that one; if the role may not read them, grant it the privileges")
	case found.Encoding != "UTF8":
		d.report.fail(c, time.Since(began), "the database is encoded in "+found.Encoding, "make a database with ENCODING 'UTF8'")
	case found.Format == 0 && !found.MayCreate:
		d.report.fail(c, time.Since(began), fmt.Sprintf("there are no tables yet, and the role %s may not create them", found.Role), "grant it CREATE on the database, or on the schema "+found.Schema+" if there is one, or let the owner of the database make them once")
	case found.Format == 0:
		d.report.ok(c, time.Since(began), "there are no tables yet; the start of a gateway makes them")
	case found.Former != "" && !found.MayCreate:
		d.report.fail(c, time.Since(began), fmt.Sprintf("format %d: this version needs the tables in the schema %s, and the role %s may not move them there from the schema %s", found.Format, found.Schema, found.Role, found.Former), "grant it CREATE on the database, or on the schema "+found.Schema+" if there is one; if it does not own the tables, let their owner migrate them, as in Updates in the page about the journal")
	case found.Former != "":
		d.report.note(c, time.Since(began), fmt.Sprintf("format %d: the start of this version moves the tables from the schema %s to %s and migrates them to format %d, which earlier versions cannot use", found.Format, found.Former, found.Schema, operation.Format), "back the database up before the first start of this version; a role that does not own the tables needs USAGE on the new schema")
	case found.Format < operation.Format:
		d.report.note(c, time.Since(began), fmt.Sprintf("format %d: the start of this version migrates the tables to format %d, which earlier versions cannot use", found.Format, operation.Format), "back the database up before the first start of this version")
	case found.Missing != "":
		d.report.fail(c, time.Since(began), fmt.Sprintf("the role %s lacks the privileges %s", found.Role, found.Missing), "grant them")
	case found.TrailError != nil:
		d.report.fail(c, time.Since(began), "the audit trail and its head do not agree: "+onOneLine(found.TrailError), "see Lines that are missing in the page about the journal; keep a dump of the database first")
	default:
		d.report.ok(c, time.Since(began), fmt.Sprintf("format %d in the schema %s, and the role has the privileges that it needs", found.Format, found.Schema))
		return true
	}
	return false
}

// checkCommit makes the check of a running gateway, which commits a transaction durably.
func (d *doctor) checkCommit(ctx context.Context, store *postgres.Store) {
	began := time.Now()
	c := journalCheck(nameCommit, "commit a transaction durably")
	err := store.Check(ctx) // opens a connection
	if err == nil {
		began = time.Now()
		err = store.Check(ctx)
	}
	switch took := time.Since(began); {
	case err != nil:
		d.report.fail(c, time.Since(began), onOneLine(err), "see the log of the server")
	case took >= slowCommit:
		d.report.note(c, time.Since(began), "it is slow: each write waits for several", "look at the disk of the server, at its synchronous standbys, and at the network in between")
	default:
		d.report.ok(c, time.Since(began), "")
	}
}

// checkLock gets a lock as a running gateway does.
func (d *doctor) checkLock(ctx context.Context, store *postgres.Store) {
	began := time.Now()
	c := journalCheck(nameLock, "get a lock as replicas hold it, by which others notice that one has died")
	switch pooled, err := store.TryLock(ctx); {
	case err != nil:
		d.report.note(c, time.Since(began), onOneLine(err)+"; the writes of a replica that dies are taken over only when its lease has expired", "if a pooler is in between, give its pool one connection more for each replica, as in Poolers in the page about the journal")
	case pooled:
		d.report.ok(c, time.Since(began), "through a pooler, of whose connections the lock of each replica takes one")
	default:
		d.report.ok(c, time.Since(began), "")
	}
}
