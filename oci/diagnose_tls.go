package oci

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"time"
)

// refusedTLS returns an error of StageTLS if a login has failed because the endpoint
// refuses TLS with this client, or uses TLS although none is configured, and nil otherwise.
func (x *examination) refusedTLS(ctx context.Context, login Finding, conn line) error {
	e, why := x.endpoint, login.Err
	op, alert := errors.AsType[*net.OpError](why)
	switch {
	case alert && op.Op == "remote error", !e.secured && conn.socket.receivedTLS.Load():
	case login.Stage != StageLogin || len(login.Beginning) > 0 || !closedByPeer(why) && !errors.Is(why, context.DeadlineExceeded):
		return nil // the endpoint has sent something
	case !e.secured && x.usesTLS(ctx):
	case e.secured && closedByPeer(why):
		// The alert may be lost if the document was on its way at the same time.
		return x.alert(ctx)
	default:
		return nil
	}
	failed, _ := errors.AsType[*ConnectError](why)
	return &ConnectError{Endpoint: e.Name, Address: e.Address, Remote: failed.Remote, Stage: StageTLS, Err: failed.Err}
}

// usesTLS reports whether an endpoint without TLS in the options answers to a TLS
// handshake. Some servers close the connection without a sign of TLS. The certificate does
// not matter, and nothing is sent after the handshake.
func (x *examination) usesTLS(ctx context.Context) bool {
	ctx, cancel := within(ctx, x.endpoint.options.ConnectTimeout)
	defer cancel()
	plain, err := x.endpoint.dial(ctx)
	if err != nil {
		return false
	}
	defer func() { _ = plain.socket.Close() }()                                                     // its result is known
	_, secured := plain.secure(&tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12}) //nolint:gosec // see above
	_ = secured.HandshakeContext(ctx)                                                               // it may end with a refusal, in TLS
	return plain.socket.receivedTLS.Load()
}

// alertTime is how long an endpoint is given to refuse TLS after the handshake.
const alertTime = time.Second

// alert makes another TLS handshake, sends nothing, and returns the alert with which the
// endpoint refuses this client, or nil.
func (x *examination) alert(ctx context.Context) error {
	conn, err := x.endpoint.connect(ctx)
	if err != nil {
		return nil // the first handshake has succeeded
	}
	defer func() { _ = conn.socket.Close() }() // nothing was sent
	if err := conn.SetReadDeadline(time.Now().Add(min(alertTime, x.endpoint.options.ConnectTimeout))); err != nil {
		return nil // the connection has ended without an alert
	}
	_, err = conn.Read(make([]byte, 1))
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "remote error" {
		return x.endpoint.failure(ctx, StageTLS, conn, err)
	}
	return nil
}
