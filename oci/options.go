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

// Options configure a [Client]. The zero value of every field except Endpoints means
// its default.
type Options struct {
	// Endpoints are the platform's endpoints in order of preference: a session is
	// made with the first one that accepts it. Sessions made with a later one are
	// replaced when an earlier one works again; see ReturnOver. At least one is needed.
	Endpoints []Endpoint

	// Encoding is the encoding of the requests; a reply declares its own. The
	// default is UTF-8; most platforms need ISO-8859-1.
	Encoding Encoding
	// OmitEcho and OmitTrackingID are for releases of the platform that do not
	// support the attribute or the element. Without echoes and tracking ids, fewer
	// checks prove that a reply belongs to its request.
	OmitEcho, OmitTrackingID bool
	// Release is the platform's release, for all endpoints. For a platform whose
	// version is a year it is 25. With ReleaseUnknown, the client asks each endpoint
	// for its version. Commands that the release does not support are sent in an
	// older form, or left out.
	Release Release
	// MaxReplyBytes limits a document of the platform, up to 1 GiB. Default
	// 64 MiB. A reply to a login, a verification of credentials, the question for
	// the version or a probe, and an unsolicited document, may have 64 KiB at most.
	MaxReplyBytes int

	// ConnectTimeout limits TCP and TLS together, default 5 s. LoginTimeout limits
	// the login, default 10 s. CommandTimeout limits the wait for a reply, default
	// 20 s.
	ConnectTimeout, LoginTimeout, CommandTimeout time.Duration
	// DeadPeerTimeout is how long the host at the other end of a connection may
	// acknowledge nothing before the kernel ends the connection, default 5 s, which is also
	// the least; negative for what the system does by itself. It is for a host or a network
	// that is gone, so that nothing closes the connection. A platform that is slow is not
	// affected, since its kernel acknowledges, and neither is one that hangs behind a proxy.
	// On Linux that holds for all connections, on other systems for those on which no sent
	// data is unacknowledged.
	DeadPeerTimeout time.Duration
	// ProbeTimeout is how long a session that may be gone has to answer before it is
	// closed, default 2 s. It applies to idle sessions after another session of the
	// endpoint got no reply in time, or was ended by the platform. The regular probes of
	// idle sessions (see ProbeInterval) have the CommandTimeout.
	ProbeTimeout time.Duration

	// BackoffInitial is the backoff of an endpoint after a failed attempt, default
	// 1 s. It doubles with every further failure up to BackoffMax, default 30 s.
	// There is one attempt in each step. When the backoff has ended, and sessions of a less
	// preferred endpoint are in use meanwhile, the attempt is made beside the traffic:
	// no caller waits for it.
	BackoffInitial, BackoffMax time.Duration
	// NextEndpointAfter is after what time without a result of an attempt to make a session
	// the next endpoint is tried as well, default 1 s; negative for never. It is twice
	// the time of the last login at the endpoint if that is longer. The attempt goes on until
	// its timeout, unless its place among MaxSessions is needed: then it has failed.
	NextEndpointAfter time.Duration
	// ParallelLogins is how many sessions are made at a time, default 8. There is one
	// attempt at a time at an endpoint until a login there has succeeded, and again after an
	// attempt has failed or a session has broken.
	ParallelLogins int

	// RefusedInitial is the backoff of an account, at all endpoints, after the
	// platform has refused its credentials, default 5 min: each refusal may
	// count against the account. It doubles with every further refusal up to
	// RefusedMax, default 1 h. A password that has changed meanwhile (see
	// [Endpoint.PasswordSource]) is tried within a second.
	RefusedInitial, RefusedMax time.Duration
	// Temporary reports whether a refusal means that the platform cannot serve at
	// the moment, and nothing about the command or the credentials. If it is nil, no
	// refusal does. It may be called with the pool's mutex held, so it must be quick
	// and must not call the client.
	Temporary func(*ErrorReply) bool

	// MinSessions is how many sessions are kept logged in, as long as the platform
	// accepts them, default 0. MaxSessions is never exceeded, default 8.
	MinSessions, MaxSessions int
	// MaxWaiting is how many requests may wait for a session, default 256. Callers who
	// share a read count as one, with the [Request] of the first. If there are more, those
	// of the callers with the most for their weight get a [*BusyError]. Requests that have
	// begun, and urgent ones, may exceed it. MaxWait is how long one may wait, default
	// 10 s.
	MaxWaiting int
	MaxWait    time.Duration
	// OutageWait is how long after the end of the last session callers wait for the next
	// attempt to log in, if it is due within that time, such as while the platform is
	// restarted. A write that the platform has already refused once because the session was
	// not logged in does not wait. Later, and if the account is refused, callers are refused
	// at once until the next attempt is due. Default 5 s; negative for no such wait.
	OutageWait time.Duration
	// IdleTimeout is how long a session beyond MinSessions may be idle, default
	// 10 min. MaxAge is how long any session may exist, default 1 h.
	IdleTimeout, MaxAge time.Duration
	// ReturnOver is the time within which sessions are replaced one by one when a more
	// preferred endpoint works again, default 1 min; negative for never: they are then
	// replaced when they reach MaxAge. New sessions are made there at once.
	ReturnOver time.Duration
	// An endpoint loses its preference while its replies take more than SlowFactor times as
	// long as those of another one, and longer than SlowAfter. Compared are the times of the
	// command that asks whether a session is valid, and only after another reply has taken
	// longer than SlowAfter. It has its preference back when it takes less than half of that. Its
	// sessions are replaced within seconds. SlowFactor is 5 by default, negative for never; the
	// default of SlowAfter is 500 ms.
	SlowFactor float64
	SlowAfter  time.Duration
	// Jitter shortens each session's MaxAge and each backoff by a random part of up
	// to this fraction of it, from 0 to 1, so that they do not all end at the same
	// time. Default 0.1; negative for none.
	Jitter float64
	// ProbeInterval is how long a session may be idle before the client asks the
	// platform whether the session is still valid. Default 1 min.
	ProbeInterval time.Duration
	// ProbeUnusedInterval is how long an endpoint may be without a session and
	// without an attempt to reach it. Then a probe makes a connection to it,
	// including TLS, and closes it again. If a login at the endpoint has failed, for
	// another reason than refused credentials, the probe logs in and out, unless all
	// sessions are in use. Jitter applies. There is one such probe at a time.
	// Default 1 min; negative for none. See [EndpointStats].
	ProbeUnusedInterval time.Duration

	// Dial makes connections; nil means a net.Dialer.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Trace is called for events.
	Trace Trace
}

// Endpoint is one endpoint of the platform and the account to log in with.
type Endpoint struct {
	// Name is used in statistics and errors; the default is the address.
	Name string
	// Address is host:port. Platforms listen on TCP port 2208, with TLS on
	// 2209.
	Address string
	// TLS is nil for plain TCP. Its MinVersion is raised to TLS 1.2, and its
	// ServerName is the address's host unless it is set.
	TLS *tls.Config
	// TLSSource, unless nil, returns the current configuration, which is used
	// instead of TLS. TLS must be given as well. TLSSource is called for each
	// connection. If it returns nil, TLS is used: no connection is ever without TLS
	// because of TLSSource. A configuration that it has returned must not be
	// changed. Sessions that are logged in keep their connection, until MaxAge at
	// most.
	TLSSource func() *tls.Config
	UserID    string
	Password  Secret
	// PasswordSource, unless nil, returns the current password, which is used
	// instead of Password. If it fails, the last password is used, and
	// [Trace.PasswordRead] is called. It is called for each login, and every second
	// while the account is in backoff.
	PasswordSource func() (Secret, error)
	// Login is the login method; empty means LoginAuto.
	Login LoginMethod
}

// Secret is a text that is not printed.
type Secret string

// Format prints "[redacted]" whatever the verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[redacted]") }

// MarshalText returns "[redacted]", so that the secret is not in JSON and structured
// logs.
func (s Secret) MarshalText() ([]byte, error) { return []byte("[redacted]"), nil }

// maxReplyBytes limits a reply so that every offset in it fits into 32 bits.
const maxReplyBytes = 1 << 30

// withDefaults returns a copy with defaults in place of zero values. The error joins
// all problems of the options.
func (o Options) withDefaults() (*Options, error) {
	o.MaxReplyBytes = cmp.Or(o.MaxReplyBytes, 64<<20)
	o.ConnectTimeout = cmp.Or(o.ConnectTimeout, 5*time.Second)
	o.LoginTimeout = cmp.Or(o.LoginTimeout, 10*time.Second)
	o.CommandTimeout = cmp.Or(o.CommandTimeout, 20*time.Second)
	o.DeadPeerTimeout = cmp.Or(o.DeadPeerTimeout, leastDeadPeerTimeout)
	o.ProbeTimeout = cmp.Or(o.ProbeTimeout, 2*time.Second)
	o.BackoffInitial = cmp.Or(o.BackoffInitial, time.Second)
	o.BackoffMax = cmp.Or(o.BackoffMax, 30*time.Second)
	o.RefusedInitial = cmp.Or(o.RefusedInitial, 5*time.Minute)
	o.RefusedMax = max(cmp.Or(o.RefusedMax, time.Hour), o.RefusedInitial)
	o.NextEndpointAfter = cmp.Or(o.NextEndpointAfter, time.Second)
	o.ParallelLogins = cmp.Or(o.ParallelLogins, 8)
	o.MaxSessions = cmp.Or(o.MaxSessions, 8)
	o.MaxWaiting = cmp.Or(o.MaxWaiting, 256)
	o.MaxWait = cmp.Or(o.MaxWait, 10*time.Second)
	o.OutageWait = cmp.Or(o.OutageWait, 5*time.Second)
	o.IdleTimeout = cmp.Or(o.IdleTimeout, 10*time.Minute)
	o.MaxAge = cmp.Or(o.MaxAge, time.Hour)
	o.ReturnOver = cmp.Or(o.ReturnOver, time.Minute)
	o.SlowFactor = cmp.Or(o.SlowFactor, 5)
	o.SlowAfter = cmp.Or(o.SlowAfter, 500*time.Millisecond)
	o.Jitter = max(0, cmp.Or(o.Jitter, 0.1))
	o.ProbeInterval = cmp.Or(o.ProbeInterval, time.Minute)
	o.ProbeUnusedInterval = cmp.Or(o.ProbeUnusedInterval, time.Minute)
	if o.Dial == nil {
		o.Dial = new(net.Dialer).DialContext
	}
	if o.Temporary == nil {
		o.Temporary = func(*ErrorReply) bool { return false }
	}
	return &o, o.check()
}

// check validates options that have their defaults.
func (o *Options) check() error {
	var problems []error
	if o.Release < 0 {
		problems = append(problems, fmt.Errorf("oci: there is no release %d", o.Release))
	}
	if len(o.Endpoints) == 0 {
		problems = append(problems, errors.New("oci: no endpoint is given"))
	}
	if o.MinSessions < 0 || o.MinSessions > o.MaxSessions {
		problems = append(problems, fmt.Errorf("oci: %d to %d sessions are not a range", o.MinSessions, o.MaxSessions))
	}
	if o.ParallelLogins < 0 {
		problems = append(problems, fmt.Errorf("oci: %d logins at a time are too few", o.ParallelLogins))
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
	return errors.Join(problems...)
}

// check validates the endpoint.
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
