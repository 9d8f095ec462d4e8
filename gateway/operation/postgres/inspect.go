package postgres

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"ocigate/gateway/operation"
)

// Stage is a step of [Inspect].
type Stage string

// The steps of [Inspect].
const (
	StageDNS   Stage = "dns"
	StageTCP   Stage = "tcp"
	StageTLS   Stage = "tls"
	StageLogin Stage = "login" // the server has refused the role, its password or the database
	StageRead  Stage = "read"  // of the tables
)

// InspectError is an error of [Inspect]. Its text has no password.
type InspectError struct {
	Stage Stage
	Err   error
}

// Error implements error.
func (e *InspectError) Error() string { return fmt.Sprintf("postgres: %s: %v", e.Stage, e.Err) }

// Unwrap returns Err.
func (e *InspectError) Unwrap() error { return e.Err }

// Inspection is what [Inspect] finds.
type Inspection struct {
	Server   string // its version
	Database string
	Role     string
	Secured  bool // the connection uses TLS
	Encoding string
	// ReadOnly reports that the server accepts no writes, such as a standby.
	ReadOnly bool
	// Schema is the one of the tables. Former is that of tables of an older format before
	// they are moved to it; otherwise it is empty.
	Schema, Former string
	// Format is that of the tables; 0 if there are none. A store migrates tables of an
	// older format than [operation.Format] when it connects.
	Format int
	// MayCreate reports whether the role may create the tables.
	MayCreate bool
	// Missing are the privileges that the role lacks on tables of the present format,
	// such as "SELECT on ocigate_keys; SELECT, INSERT on ocigate_audit"; empty for none.
	Missing string
	// TrailError is that of an audit trail that does not end with its head; nil if it
	// does, or the role may not read it.
	TrailError *operation.TrailError
	// Ahead is by how much the server's clock is ahead of this machine's, and
	// Uncertain the greatest error of that.
	Ahead, Uncertain time.Duration
}

// Inspect connects to a database once and reads what a [Store] with these options needs
// there. It changes nothing, and makes no tables. The error is an [*InspectError]. It also
// means that no store can use the tables, because a later version of the gateway has
// written them, or because a role that is not trusted owns or can change them.
func Inspect(ctx context.Context, address string, o Options) (Inspection, error) {
	err := o.check()
	var config *connection
	if err == nil {
		config, err = parse(address)
	}
	if err != nil {
		return Inspection{}, &InspectError{StageLogin, err}
	}
	c := config.ConnConfig
	c.DefaultQueryExecMode = execMode
	c.StatementCacheCapacity, c.DescriptionCacheCapacity = 0, 0
	conn, err := pgx.ConnectConfig(ctx, c)
	if err != nil {
		return Inspection{}, &InspectError{stageOf(err), config.explain(err)}
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }() // nothing was written
	found := Inspection{Schema: o.place().schema}
	_, found.Secured = conn.PgConn().Conn().(*tls.Conn)
	if err := found.read(ctx, conn, o.place()); err != nil {
		return found, &InspectError{StageRead, err}
	}
	return found, nil
}

// read reads everything about the server and the tables.
func (i *Inspection) read(ctx context.Context, conn *pgx.Conn, p place) error {
	if err := i.readServer(ctx, conn); err != nil {
		return err
	}
	found, err := p.read(ctx, conn)
	if err != nil {
		return err
	}
	tx, err := conn.BeginTx(ctx, pgx.TxOptions{BeginQuery: "BEGIN READ ONLY; " + p.setPath()})
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback(ctx) }() // it has changed nothing
	if err := i.readTables(ctx, tx, p, found); err != nil || i.Format != len(migrations) {
		return err
	}
	if i.Missing, _, err = readMissing(ctx, tx); err != nil || i.Missing != "" {
		return err
	}
	_, err = agreed(ctx, tx)
	if errors.As(err, &i.TrailError) {
		return nil
	}
	return err
}

// readServer reads what does not depend on the tables.
func (i *Inspection) readServer(ctx context.Context, conn *pgx.Conn) error {
	var clock time.Time
	began := time.Now()
	err := conn.QueryRow(ctx, `SELECT pg_catalog.clock_timestamp()`).Scan(&clock)
	took := time.Since(began)
	if err != nil {
		return err
	}
	i.Ahead, i.Uncertain = clock.Sub(began.Add(took/2)), took/2
	return conn.QueryRow(ctx, `SELECT pg_catalog.current_setting('server_version'), pg_catalog.current_database(), current_user, pg_catalog.current_setting('server_encoding'),
			pg_catalog.pg_is_in_recovery() OR pg_catalog.current_setting('transaction_read_only')::boolean`).
		Scan(&i.Server, &i.Database, &i.Role, &i.Encoding, &i.ReadOnly)
}

// readTables reads the format of the tables, and whether they can be created.
func (i *Inspection) readTables(ctx context.Context, tx pgx.Tx, p place, found layout) error {
	may, of := `has_database_privilege($1, 'CREATE')`, i.Database
	if found.exists {
		may, of = `has_schema_privilege($1, 'CREATE')`, p.schema
	}
	if err := tx.QueryRow(ctx, "SELECT "+may, of).Scan(&i.MayCreate); err != nil {
		return err
	}
	if i.Format = found.version; i.Format != 0 {
		return operation.CheckFormat(i.Format)
	}
	version, _, err := p.formerVersion(ctx, tx, found.former)
	if i.Format = version; version > 0 {
		i.Former = found.former
	}
	return err
}

// stageOf returns the step at which a connection has failed.
func stageOf(err error) Stage {
	if _, ok := errors.AsType[*pgconn.PgError](err); ok {
		return StageLogin
	}
	if isTLS(err) {
		return StageTLS
	}
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return StageDNS
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" || errors.Is(err, context.DeadlineExceeded) {
		return StageTCP
	}
	return StageLogin
}

// isTLS reports whether an error is about TLS. The driver has no error of its own type
// for a server that declines it.
func isTLS(err error) bool {
	_, header := errors.AsType[tls.RecordHeaderError](err)
	_, unverified := errors.AsType[*tls.CertificateVerificationError](err)
	_, invalid := errors.AsType[x509.CertificateInvalidError](err)
	_, authority := errors.AsType[x509.UnknownAuthorityError](err)
	_, name := errors.AsType[x509.HostnameError](err)
	return header || unverified || invalid || authority || name || strings.Contains(err.Error(), "server refused TLS connection")
}
