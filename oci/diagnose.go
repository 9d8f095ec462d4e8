package oci

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"iter"
	"net"
	"net/netip"
	"sync"
	"time"
)

// StageRead is a read after the login. It is a step of [Diagnose] alone.
const StageRead Stage = "read"

// DiagnoseOptions configure [Diagnose]. The zero value is valid.
type DiagnoseOptions struct {
	// Resolver looks up the name in the address; nil means net.DefaultResolver.
	Resolver *net.Resolver
	// SkipLogin ends the examination before the login, so that no credentials are
	// sent: for an account that the platform has refused at another endpoint.
	SkipLogin bool
	// Reads are sent after the login, each in a document of its own.
	Reads []Read
}

// Finding is the result of one step of [Diagnose].
type Finding struct {
	// Stage is the step. Each is there once, except that there is a StageRead for
	// each read.
	Stage Stage
	Took  time.Duration
	// Err is nil if the step succeeded. It is a [*ConnectError], except for
	// StageRead. The steps after the first that failed are missing, except that the
	// reads do not depend on each other.
	Err error

	// Addresses are those of the host, with StageDNS; nil if Numeric.
	Addresses []string
	// Numeric reports, with StageDNS, that the host is an IP address, so that there
	// was nothing to look up.
	Numeric bool

	// Remote is the IP address and port of the connection, with StageDial.
	Remote string
	// Unreachable has the other addresses of the host to which no connection could be
	// made, with StageDial.
	Unreachable []*ConnectError

	// Plain reports, with StageTLS, that the endpoint is configured without TLS. Then
	// Err is not nil if it answers with TLS nevertheless.
	Plain bool
	// ServerName is the name that the certificate must have, with StageTLS.
	ServerName string
	// TLSVersion is the version of TLS, with StageTLS after success.
	TLSVersion uint16
	// Chain are the certificates, with StageTLS: the verified chain up to the
	// authority that is valid for the longest time, or, if they were not accepted,
	// what the endpoint has presented.
	Chain []*x509.Certificate

	// Identity is who is logged in, with StageLogin after success.
	Identity Identity
	// Refused reports, with StageLogin, that the platform has refused the credentials.
	// It may count that against the account.
	Refused bool
	// Beginning are the first bytes that the endpoint has sent, 64 at most, with
	// StageLogin and an error, unless they may be a document of the protocol: such a
	// document may repeat a password.
	Beginning []byte

	// Dialect is what the endpoint supports, with StageVersion.
	Dialect Dialect
	// Reported is the version that the platform reports, with StageVersion, also if
	// the release is set by the options. It is empty if the platform does not report
	// one. ReportedRelease is the release in it.
	Reported        string
	ReportedRelease Release

	// Reply is the platform's reply, with StageRead. It may be a refusal; see
	// [Reply.Err].
	Reply Reply
}

// Diagnose examines the endpoint with that index, step by step, as a session is made:
// it looks the name up, connects, makes the TLS handshake, logs in, asks for the version
// and sends the reads. It uses its own connection, independent of any [Client], and logs
// out at the end. The timeouts are those of the options.
//
// The steps are made while the caller ranges over the findings, and end with the range.
// There is no second login after the platform has refused the credentials. The error says
// that the options are not valid.
func Diagnose(ctx context.Context, options Options, endpoint int, o DiagnoseOptions) (iter.Seq[Finding], error) {
	checked, err := options.withDefaults()
	if err != nil {
		return nil, err
	}
	if endpoint < 0 || endpoint >= len(checked.Endpoints) {
		return nil, fmt.Errorf("oci: there is no endpoint %d", endpoint)
	}
	return func(yield func(Finding) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		x := &examination{endpoint: newEndpoint(checked.Endpoints[endpoint], checked), DiagnoseOptions: o, yield: yield}
		x.run(ctx)
	}, nil
}

// examination is one run of [Diagnose].
type examination struct {
	DiagnoseOptions

	endpoint *endpoint
	yield    func(Finding) bool
}

// found yields a finding that took the time since began. It reports whether to go on.
func (x *examination) found(f Finding, began time.Time) bool {
	f.Took = time.Since(began)
	return x.yield(f) && f.Err == nil
}

// run makes all steps.
func (x *examination) run(ctx context.Context) {
	e := x.endpoint
	addresses, ok := x.lookUp(ctx)
	if !ok {
		return
	}
	conn, ok := x.dial(ctx, addresses)
	if !ok {
		return
	}
	began := time.Now()
	secured := Finding{Stage: StageTLS, Plain: !e.secured}
	if e.secured {
		conn, secured = x.secure(ctx, conn)
	}
	secured.Took = time.Since(began)
	if secured.Err != nil || x.SkipLogin {
		if conn.socket != nil {
			_ = conn.socket.Close() // nothing was sent
		}
		x.yield(secured)
		return
	}
	x.logIn(ctx, conn, secured)
}

// lookUp looks up the host of the address. It reports whether to go on.
func (x *examination) lookUp(ctx context.Context) (addresses []string, ok bool) {
	e := x.endpoint
	host, _, _ := net.SplitHostPort(e.Address) // it was checked with the options
	began := time.Now()
	if _, err := netip.ParseAddr(host); err == nil {
		return nil, x.found(Finding{Stage: StageDNS, Numeric: true}, began)
	}
	ctx, cancel := within(ctx, e.options.ConnectTimeout)
	defer cancel()
	resolver := x.Resolver
	if resolver == nil {
		resolver = net.DefaultResolver
	}
	addresses, err := resolver.LookupHost(ctx, host)
	f := Finding{Stage: StageDNS, Addresses: addresses}
	if err != nil {
		f.Err = e.failure(ctx, StageDNS, line{}, err)
	}
	return addresses, x.found(f, began)
}

// dial connects as a session does, and then to the other addresses of the host. It
// reports whether to go on.
func (x *examination) dial(ctx context.Context, addresses []string) (line, bool) {
	ctx, cancel := within(ctx, x.endpoint.options.ConnectTimeout)
	defer cancel()
	began := time.Now()
	conn, err := x.endpoint.dial(ctx)
	f := Finding{Stage: StageDial, Err: err, Took: time.Since(began)}
	if err == nil {
		f.Remote = addressOf(conn.socket.RemoteAddr())
		f.Unreachable = x.dialOthers(ctx, addresses, f.Remote)
	}
	more := x.yield(f)
	if err == nil && !more {
		_ = conn.socket.Close()
	}
	return conn, more && err == nil
}

// dialOthers connects to all addresses of the host but the one that is connected, and
// returns the errors.
func (x *examination) dialOthers(ctx context.Context, addresses []string, connected string) []*ConnectError {
	e := x.endpoint
	_, port, _ := net.SplitHostPort(e.Address)
	failures := make([]*ConnectError, len(addresses))
	var dialing sync.WaitGroup
	for i, address := range addresses {
		remote := net.JoinHostPort(address, port)
		if remote == connected {
			continue
		}
		dialing.Go(func() {
			conn, err := e.options.Dial(ctx, "tcp", remote)
			if err != nil {
				failures[i] = e.failure(ctx, StageDial, line{}, err)
				failures[i].Remote = remote
				return
			}
			_ = conn.Close() // nothing was sent
		})
	}
	dialing.Wait()
	var failed []*ConnectError
	for _, f := range failures {
		if f != nil {
			failed = append(failed, f)
		}
	}
	return failed
}

// secure makes the TLS handshake. The finding has all but the time.
func (x *examination) secure(ctx context.Context, plain line) (line, Finding) {
	ctx, cancel := within(ctx, x.endpoint.options.ConnectTimeout)
	defer cancel()
	f := Finding{Stage: StageTLS, ServerName: x.endpoint.currentTLS().ServerName}
	above, secured, err := x.endpoint.secure(ctx, plain)
	if err != nil {
		f.Err = err
		if refused, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
			f.Chain = refused.UnverifiedCertificates
		}
		return line{}, f
	}
	state := secured.ConnectionState()
	f.TLSVersion, f.Chain = state.Version, state.PeerCertificates
	for i, chain := range state.VerifiedChains {
		if i == 0 || endOfChain(chain).After(endOfChain(f.Chain)) {
			f.Chain = chain
		}
	}
	return above, f
}

// endOfChain returns when the first certificate of a chain expires.
func endOfChain(chain []*x509.Certificate) time.Time {
	ends := chain[0].NotAfter
	for _, c := range chain[1:] {
		if c.NotAfter.Before(ends) {
			ends = c.NotAfter
		}
	}
	return ends
}

// logIn logs in on a connection and makes the steps after that. secured is the finding of
// StageTLS. It is yielded only after the first reply: an endpoint that demands a client
// certificate refuses a handshake of TLS 1.3 after the client has completed it, and one
// that is configured without TLS may turn out to use it.
func (x *examination) logIn(ctx context.Context, conn line, secured Finding) {
	e := x.endpoint
	password := e.password // no other goroutine has this endpoint
	if source := e.secrets.Load().passwordSource; source != nil {
		if current, err := source(); err == nil {
			password = current
		}
	}
	began := time.Now()
	s, f, first := x.openSession(ctx, conn, password)
	if f.Err != nil {
		secured.Err = x.refusedTLS(ctx, f, conn)
	}
	if !x.yield(secured) || secured.Err != nil {
		if s != nil {
			x.logOut(s)
		}
		return
	}
	if f.Stage == StageVersion { // the login has succeeded
		if s != nil {
			defer x.logOut(s)
		}
		login := Finding{Stage: StageLogin, Identity: f.Identity, Took: first}
		f.Identity, f.Took = Identity{}, time.Since(began)-first
		if x.yield(login) {
			x.afterLogin(ctx, s, f)
		}
		return
	}
	f.Took = time.Since(began)
	x.yield(f)
}

// openSession logs in on a connection and asks for the version, unless the options set
// the release. If the platform closes the connection because it does not support a form,
// it tries again without that form, on a new connection, as [endpoint.open] does. The
// finding is of StageLogin with an error, or of StageVersion with the identity. login is
// how long the login took.
func (x *examination) openSession(ctx context.Context, conn line, password Secret) (s *session, f Finding, login time.Duration) {
	e := x.endpoint
	for {
		began := time.Now()
		recorded := &firstBytes{Conn: conn.Conn}
		s = newSession(e, line{recorded, conn.socket}, func(*session, error) {})
		s.ownAccount = true
		go s.readAll()
		f = Finding{Stage: StageLogin}
		who, err := s.login(ctx, e.UserID, password)
		login = time.Since(began)
		if err == nil {
			f.Stage, f.Identity = StageVersion, who
			err = s.detect(ctx)
		}
		if err == nil {
			f.Dialect = e.dialect.current()
			f.Reported, f.ReportedRelease = f.Dialect.Version, parseRelease(f.Dialect.Version)
			return s, f, login
		}
		s.close(err)
		<-s.readEnded
		f.Err = e.failure(ctx, f.Stage, conn, whyEnded(err))
		if _, other := errors.AsType[*otherFormError](err); !other {
			f.Refused = e.refusesCredentials(f.Err)
			if f.Stage == StageLogin {
				f.Beginning = recorded.foreign()
			}
			return nil, f, login
		}
		if conn, err = e.connect(ctx); err != nil {
			f.Err = err
			return nil, f, login
		}
	}
}

// afterLogin yields the finding of StageVersion and sends the reads. If the options set
// the release, the version is asked for last: the release may be set because the platform
// closes the connection when it is asked. s is nil if the version has an error.
func (x *examination) afterLogin(ctx context.Context, s *session, version Finding) {
	if version.Err != nil || !version.Dialect.Set {
		if !x.yield(version) || version.Err != nil {
			return
		}
		for _, read := range x.Reads {
			if !x.yield(x.read(ctx, s, read)) {
				return
			}
		}
		return
	}
	var reads []Finding
	for _, read := range x.Reads {
		reads = append(reads, x.read(ctx, s, read))
	}
	began := time.Now()
	version.Reported = x.askVersion(ctx, s)
	version.ReportedRelease = parseRelease(version.Reported)
	version.Dialect = x.endpoint.dialect.current()
	version.Took = time.Since(began)
	for _, f := range append([]Finding{version}, reads...) {
		if !x.yield(f) {
			return
		}
	}
}

// askVersion returns the version that the platform reports, or "".
func (x *examination) askVersion(ctx context.Context, s *session) string {
	ctx, cancel := within(ctx, x.endpoint.options.LoginTimeout)
	defer cancel()
	for _, form := range versionFeature.forms {
		replies, err := s.exchangeDocument(ctx, s.bareDocument([]Command{NewRead(form.name)}))
		if err != nil {
			return ""
		}
		if version, _, err := replies[0].Text("version"); err == nil && version != "" {
			return clip(version, maxVersionLength)
		}
	}
	return ""
}

// read sends one read, in the forms that the platform supports.
func (x *examination) read(ctx context.Context, s *session, read Read) Finding {
	f, began := Finding{Stage: StageRead}, time.Now()
	reply, err := x.endpoint.readAlone(ctx, s, read)
	f.Reply, f.Took = reply, time.Since(began)
	if err != nil {
		f.Err = whyEnded(err)
	}
	return f
}

// readAlone sends one read over a session that does not belong to a pool.
func (e *endpoint) readAlone(ctx context.Context, s *session, read Read) (Reply, error) {
	commands, err := e.dialect.translate(e.Name, []Command{read})
	if err != nil {
		return Reply{}, err
	}
	document := s.document(ctx, commands)
	replies, err := s.exchangeDocument(ctx, document)
	if err == nil && refusedForForm(replies) {
		replies, err = readAgain(ctx, s, document, []Command{read}, replies)
	}
	if err != nil {
		return Reply{}, err
	}
	return replies[0], nil
}

// logOut logs a session out, and waits until its reader has ended.
func (x *examination) logOut(s *session) {
	s.logout(errors.New("oci: closed: the endpoint has been examined"))
	<-s.readEnded
}

// maxBeginning is how many of the first bytes of a connection are kept.
const maxBeginning = 64

// firstBytes is a connection that keeps the first bytes that it has read. The bytes may be
// used after the reader of the session has ended.
type firstBytes struct {
	net.Conn

	first []byte
}

// Read implements net.Conn.
func (r *firstBytes) Read(b []byte) (int, error) {
	n, err := r.Conn.Read(b)
	r.first = append(r.first, b[:min(n, maxBeginning-len(r.first))]...)
	return n, err
}

// foreign returns the first bytes, unless they may be a document of the protocol.
func (r *firstBytes) foreign() []byte {
	for _, c := range r.first {
		switch c {
		case ' ', '\t', '\r', '\n':
			continue
		case '<':
			return nil
		}
		return r.first
	}
	return nil
}
