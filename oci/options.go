package oci

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// Options say how a [Client] talks to the platform. The zero value of every
// field but Endpoints stands for its default.
type Options struct {
	// Endpoints in order of preference: a session is made with the first that
	// answers. Sessions made with a later one are replaced when they reach
	// MaxAge.
	Endpoints []Endpoint

	// Encoding is the one of the requests; that of a reply is told by the
	// reply itself. The default is UTF-8; most platforms want ISO-8859-1.
	Encoding Encoding
	// OmitEcho and OmitTrackingID are for releases of the platform that do
	// not take the attribute or the element. Without them, less proves that
	// an answer is to the question.
	OmitEcho, OmitTrackingID bool
	// Release is the platform's, for all endpoints; that of a platform whose
	// version is a year is 25. With ReleaseUnknown, each endpoint is asked for
	// its version, and what its release does not know
	// is asked for in an older form, or left out.
	Release Release
	// MaxReplyBytes bounds a document of the platform, up to 1 GiB. Default
	// 64 MiB. An answer to a login, a verification of credentials, the question
	// for the version or a probe, and a document that nobody asked for, may have
	// 64 KiB at most.
	MaxReplyBytes int

	// ConnectTimeout bounds TCP and TLS together, default 5 s; LoginTimeout
	// the login, default 10 s; CommandTimeout the wait for an answer, default
	// 20 s.
	ConnectTimeout, LoginTimeout, CommandTimeout time.Duration

	// BackoffInitial is the pause of an endpoint after a failed try, default
	// 1 s. It doubles with every further failure up to BackoffMax, default
	// 30 s. There is one try in each step, for the whole pool.
	BackoffInitial, BackoffMax time.Duration

	// RefusedInitial is the pause of an account, at all endpoints, after the
	// platform has refused its credentials, default 5 min: each refusal may
	// count against the account. It doubles with every further refusal up to
	// RefusedMax, default 1 h. A password that has changed meanwhile (see
	// [Endpoint.PasswordSource]) is tried within a second.
	RefusedInitial, RefusedMax time.Duration
	// Temporary reports whether a refusal says that the platform cannot serve
	// at the moment, and nothing of the command or the credentials. Where it
	// is nil, no refusal does. It may be called with the pool's mutex held, so
	// it must be quick and must not call the client.
	Temporary func(*ErrorReply) bool

	// MinSessions are kept logged in while the platform lets us, default 0.
	// MaxSessions is never exceeded, default 8.
	MinSessions, MaxSessions int
	// MaxWaiting callers may wait for a session, default 256, where those who
	// share a read count as one; the next one is refused with [ErrBusy]. None
	// waits longer than MaxWait, default 10 s.
	MaxWaiting int
	MaxWait    time.Duration
	// IdleTimeout is how long a session beyond MinSessions may be idle,
	// default 10 min. MaxAge is how long any may live, default 1 h.
	IdleTimeout, MaxAge time.Duration
	// Jitter shortens each session's MaxAge and each backoff by a random part
	// of up to this fraction of it, from 0 to 1, so that they do not end all
	// at once. Default 0.1; negative for none.
	Jitter float64
	// ProbeInterval is how long a session may be idle before the platform is
	// asked whether it still knows it. Default 1 min.
	ProbeInterval time.Duration
	// ProbeUnusedInterval is how long an endpoint may be without a session and
	// without an attempt to reach it, before a connection is made to it, TLS
	// included, and closed again. Where a login there has failed, for another
	// reason than refused credentials, it logs in and out again, unless all
	// sessions are in use. It shortens by Jitter. There is one such probe at a
	// time. Default 1 min; negative for none. See [EndpointStats].
	ProbeUnusedInterval time.Duration

	// Dial makes connections in the place of a net.Dialer.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Trace watches what happens.
	Trace Trace
}

// Endpoint is one address of the platform and the account to log in there.
type Endpoint struct {
	// Name is for statistics and errors; the default is the address.
	Name string
	// Address is host:port. Platforms listen on TCP port 2208, with TLS on
	// 2209.
	Address string
	// TLS is nil for plain TCP. Its MinVersion is raised to TLS 1.2, and its
	// ServerName is the address's host unless it is set.
	TLS *tls.Config
	// TLSSource, unless nil, returns the configuration as it is now, instead of
	// TLS, which must be given as well. It is called for each connection. Where
	// it returns nil, TLS stands: no connection is ever plain for its sake. What
	// it returns must not be changed afterwards. Sessions that are logged in go
	// on as they are, until MaxAge at the most.
	TLSSource func() *tls.Config
	UserID    string
	Password  Secret
	// PasswordSource, unless nil, returns the password as it is now, instead
	// of Password. Where it fails, the last one stands, and
	// [Trace.PasswordRead] says so. It is called for each login, and every
	// second while the platform refuses the account.
	PasswordSource func() (Secret, error)
	// Login is LoginAuto where it is empty.
	Login LoginMethod
}

// Secret is a text that does not print.
type Secret string

// Format prints "[redacted]" whatever the verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[redacted]") }

// MarshalText hides the secret from JSON and structured logs.
func (s Secret) MarshalText() ([]byte, error) { return []byte("[redacted]"), nil }

// maxReplyBytes keeps every place in a reply within 32 bits.
const maxReplyBytes = 1 << 30

// withDefaults fills in what is left open and checks the rest.
func (o Options) withDefaults() (*Options, error) {
	o.MaxReplyBytes = cmp.Or(o.MaxReplyBytes, 64<<20)
	o.ConnectTimeout = cmp.Or(o.ConnectTimeout, 5*time.Second)
	o.LoginTimeout = cmp.Or(o.LoginTimeout, 10*time.Second)
	o.CommandTimeout = cmp.Or(o.CommandTimeout, 20*time.Second)
	o.BackoffInitial = cmp.Or(o.BackoffInitial, time.Second)
	o.BackoffMax = cmp.Or(o.BackoffMax, 30*time.Second)
	o.RefusedInitial = cmp.Or(o.RefusedInitial, 5*time.Minute)
	o.RefusedMax = max(cmp.Or(o.RefusedMax, time.Hour), o.RefusedInitial)
	o.MaxSessions = cmp.Or(o.MaxSessions, 8)
	o.MaxWaiting = cmp.Or(o.MaxWaiting, 256)
	o.MaxWait = cmp.Or(o.MaxWait, 10*time.Second)
	o.IdleTimeout = cmp.Or(o.IdleTimeout, 10*time.Minute)
	o.MaxAge = cmp.Or(o.MaxAge, time.Hour)
	o.Jitter = max(0, cmp.Or(o.Jitter, 0.1))
	o.ProbeInterval = cmp.Or(o.ProbeInterval, time.Minute)
	o.ProbeUnusedInterval = cmp.Or(o.ProbeUnusedInterval, time.Minute)
	if o.Dial == nil {
		o.Dial = new(net.Dialer).DialContext
	}
	if o.Temporary == nil {
		o.Temporary = func(*ErrorReply) bool { return false }
	}
	problems := []error{}
	if o.Release < 0 {
		problems = append(problems, fmt.Errorf("oci: there is no release %d", o.Release))
	}
	if len(o.Endpoints) == 0 {
		problems = append(problems, errors.New("oci: no endpoint is given"))
	}
	if o.MinSessions < 0 || o.MinSessions > o.MaxSessions {
		problems = append(problems, fmt.Errorf("oci: %d to %d sessions are not a range", o.MinSessions, o.MaxSessions))
	}
	if o.MaxReplyBytes < 0 || o.MaxReplyBytes > maxReplyBytes {
		problems = append(problems, fmt.Errorf("oci: replies of %d bytes at the most are not 0 to %d", o.MaxReplyBytes, maxReplyBytes))
	}
	if o.Jitter > 1 {
		problems = append(problems, fmt.Errorf("oci: a jitter of %v is above 1", o.Jitter))
	}
	for _, e := range o.Endpoints {
		problems = append(problems, e.check())
	}
	return &o, errors.Join(problems...)
}

func (e Endpoint) check() error {
	_, _, err := net.SplitHostPort(e.Address)
	if err != nil {
		return fmt.Errorf("oci: endpoint %s: address: %w", cmp.Or(e.Name, e.Address), err)
	}
	if e.TLS == nil && e.TLSSource != nil {
		return fmt.Errorf("oci: endpoint %s: TLSSource needs TLS", cmp.Or(e.Name, e.Address))
	}
	switch e.Login {
	case "", LoginAuto, LoginSigned:
		return nil
	case LoginPlain22V5, LoginPlain22V2:
		if e.TLS == nil {
			return fmt.Errorf("oci: endpoint %s: login %s sends the password as it is, so it needs TLS", cmp.Or(e.Name, e.Address), e.Login)
		}
		return nil
	}
	return fmt.Errorf("oci: endpoint %s: unknown login %q", cmp.Or(e.Name, e.Address), e.Login)
}
