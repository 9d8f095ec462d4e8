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
	// Format is that of the tables; 0 if there are none. A store migrates tables of an
	// older format than [operation.Format] when it connects.
	Format int
	// MayCreate reports whether the role may create the tables.
	MayCreate bool
	// Missing are the privileges that the role lacks on tables of the present format,
	// such as "INSERT on ocigate_audit"; empty for none.
	Missing string
	// Ahead is by how much the server's clock is ahead of this machine's, and
	// Uncertain the greatest error of that.
	Ahead, Uncertain time.Duration
}

// Inspect connects to a database once and reads what a [Store] needs there. It changes
// nothing, and makes no tables. The error is an [*InspectError]. It also means that no
// store can use the tables, because a later version of the gateway has written them.
func Inspect(ctx context.Context, address string) (Inspection, error) {
	config, err := parse(address)
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
	found := Inspection{}
	_, found.Secured = conn.PgConn().Conn().(*tls.Conn)
	if err := found.read(ctx, conn); err != nil {
		return found, &InspectError{StageRead, err}
	}
	return found, nil
}

// read reads everything about the server and the tables.
func (i *Inspection) read(ctx context.Context, conn *pgx.Conn) error {
	var clock time.Time
	began := time.Now()
	err := conn.QueryRow(ctx, `SELECT clock_timestamp()`).Scan(&clock)
	took := time.Since(began)
	if err != nil {
		return err
	}
	i.Ahead, i.Uncertain = clock.Sub(began.Add(took/2)), took/2
	var made bool
	if err := conn.QueryRow(ctx, `SELECT current_setting('server_version'), current_database(), current_user, current_setting('server_encoding'),
			pg_is_in_recovery() OR current_setting('transaction_read_only')::boolean,
			coalesce(has_schema_privilege(current_schema(), 'CREATE'), false), to_regclass('ocigate_schema') IS NOT NULL`).
		Scan(&i.Server, &i.Database, &i.Role, &i.Encoding, &i.ReadOnly, &i.MayCreate, &made); err != nil || !made {
		return err
	}
	if err := conn.QueryRow(ctx, `SELECT version FROM ocigate_schema`).Scan(&i.Format); err != nil {
		return err
	}
	if i.Format != len(migrations) {
		return operation.CheckFormat(i.Format)
	}
	var missing *string
	var role string
	if err := conn.QueryRow(ctx, missingPrivileges).Scan(&missing, &role); err != nil || missing == nil {
		return err
	}
	i.Missing = *missing
	return nil
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
