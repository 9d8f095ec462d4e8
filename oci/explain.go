package oci

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"time"
)

// explainedError is an error with a text that an operator can understand without
// knowing the code that the original error comes from. It wraps the original.
type explainedError struct {
	text string
	err  error
}

func (e *explainedError) Error() string { return e.text }
func (e *explainedError) Unwrap() error { return e.err }

// noAnswerError means that a timeout of the options has passed without a reply. It
// is a context.DeadlineExceeded.
type noAnswerError struct{ within time.Duration }

func (e *noAnswerError) Error() string { return "no answer within " + e.within.String() }
func (*noAnswerError) Unwrap() error   { return context.DeadlineExceeded }

// within limits ctx to a timeout of the options. The cause of its end is a
// noAnswerError, unless it ends for another reason.
func within(ctx context.Context, timeout time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, timeout, &noAnswerError{timeout})
}

// by returns ctx without its end, until a timeout of the options has passed since
// began.
func by(ctx context.Context, began time.Time, timeout time.Duration) (context.Context, context.CancelFunc) {
	return context.WithDeadlineCause(context.WithoutCancel(ctx), began.Add(timeout), &noAnswerError{timeout})
}

// endOf returns an error that explains why ctx has ended. err is its error, or one of
// the same kind.
func endOf(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	return ofContext(err)
}

// ofContext replaces the errors of contexts with an explanation. It returns other
// errors unchanged.
func ofContext(err error) error {
	switch err { //nolint:errorlint // what is wrapped has a text of its own
	case context.Canceled:
		return &explainedError{"the caller canceled", err}
	case context.DeadlineExceeded:
		return &explainedError{"the caller timed out", err}
	}
	return err
}

// ofConnection replaces an error of a connection with an explanation. It returns
// errors of another kind, and errors that are explained already, unchanged.
func ofConnection(err error) error {
	if isOurs(err) {
		return ofContext(err)
	}
	for _, ending := range []struct {
		err  error
		text string
	}{
		{io.ErrUnexpectedEOF, "the platform closed the connection in the middle of a document"},
		{io.EOF, "the platform closed the connection"},
		{syscall.ECONNRESET, "the platform reset the connection"},
		{syscall.EPIPE, "the platform has closed the connection"},
		{syscall.ETIMEDOUT, "the platform's host does not acknowledge any more"},
		{net.ErrClosed, "the connection is closed"},
		{os.ErrDeadlineExceeded, "the platform did not take or send anything in time"},
	} {
		if errors.Is(err, ending.err) {
			return &explainedError{ending.text, err}
		}
	}
	if number, ok := errors.AsType[syscall.Errno](err); ok {
		return &explainedError{"the connection failed: " + number.Error(), err}
	}
	return ofContext(err)
}

// isOurs reports whether an error wraps one of this package, which explains itself.
func isOurs(err error) bool {
	_, explained := errors.AsType[*explainedError](err)
	_, noAnswer := errors.AsType[*noAnswerError](err)
	_, lost := errors.AsType[*LostError](err)
	_, unsent := errors.AsType[*UnsentError](err)
	return explained || noAnswer || lost || unsent
}

// joinedErrors are the errors of several endpoints, with a text of one line.
type joinedErrors []error

// inOneLine joins errors. It returns nil if there are none.
func inOneLine(all []error) error {
	if len(all) == 0 {
		return nil
	}
	return joinedErrors(all)
}

func (j joinedErrors) Error() string {
	texts := make([]string, len(j))
	for i, err := range j {
		texts[i] = err.Error()
	}
	return strings.Join(texts, "; ")
}

func (j joinedErrors) Unwrap() []error { return j }

// stageWords holds the names of the stages in messages.
var stageWords = map[Stage]string{
	StageDNS: "DNS", StageDial: "TCP", StageTLS: "TLS", StageLogin: "login", StageVersion: "question for the version", StageRead: "read",
}

// failure returns the error of a step in making a session. ctx is that of the step, and
// at is the connection, if there is one.
func (e *endpoint) failure(ctx context.Context, stage Stage, at line, err error) *ConnectError {
	failed := &ConnectError{Endpoint: e.Name, Address: e.Address, Stage: stage}
	if _, lookup := errors.AsType[*net.DNSError](err); lookup && stage == StageDial {
		failed.Stage = StageDNS
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && failed.Stage == StageDial {
		failed.Remote = addressOf(op.Addr)
	}
	text := explain(ctx, failed.Stage, e.secured, err)
	if at.socket != nil {
		failed.Remote = addressOf(at.socket.RemoteAddr())
		if !e.secured && at.socket.receivedTLS.Load() {
			text = "the endpoint answers with TLS: is this the port with TLS?"
		}
	}
	if failed.Remote == e.Address {
		failed.Remote = ""
	}
	failed.Err = &explainedError{text, err}
	return failed
}

// noAnswers returns the error of sessions that end before they bring a reply.
func (e *endpoint) noAnswers(why error) *ConnectError {
	return &ConnectError{Endpoint: e.Name, Address: e.Address, Stage: StageLogin, Err: fmt.Errorf("sessions end before they bring a reply: %w", why)}
}

// addressOf returns the text of a TCP address, and "" for any other.
func addressOf(a net.Addr) string {
	if tcp, ok := a.(*net.TCPAddr); ok && tcp != nil {
		return tcp.String()
	}
	return ""
}

// explain returns a text that explains how a step in making a session has failed.
func explain(ctx context.Context, stage Stage, secured bool, err error) string {
	if ctx.Err() != nil && isEnd(err) {
		text := endOf(ctx, err).Error()
		if stage == StageTLS && errors.Is(err, context.DeadlineExceeded) {
			text += " (is this the port without TLS?)"
		}
		return text
	}
	switch stage {
	case StageDNS:
		return explainLookup(err)
	case StageDial:
		return explainDial(err)
	case StageTLS:
		return explainTLS(err)
	}
	return explainLogin(stage, secured, err)
}

// isEnd reports whether an error may come from the end of a context.
func isEnd(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) || errors.Is(err, os.ErrDeadlineExceeded)
}

// explainLookup explains a failed lookup of a host name.
func explainLookup(err error) string {
	failed, ok := errors.AsType[*net.DNSError](err)
	if !ok {
		return err.Error()
	}
	text := failed.Err
	if failed.IsTimeout {
		text = "no answer in time"
	}
	text = "the lookup of " + failed.Name + " failed: " + text
	if failed.Server != "" {
		text += " (name server " + failed.Server + ")"
	}
	return text
}

// explainDial explains a failed TCP connection.
func explainDial(err error) string {
	if number, ok := errors.AsType[syscall.Errno](err); ok {
		return number.Error()
	}
	if failed, ok := errors.AsType[net.Error](err); ok && failed.Timeout() {
		// Each address of a name gets a part of the time.
		return "no answer in this address's part of the time"
	}
	return ofConnection(err).Error()
}

// maxCertificateText limits the text about a certificate, in bytes.
const maxCertificateText = 512

// explainTLS explains a failed TLS handshake.
func explainTLS(err error) string {
	const wrongPort = ": is this the port without TLS?"
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return "the endpoint does not answer with TLS" + wrongPort
	}
	if closedByPeer(err) {
		return ofConnection(err).Error() + " during the handshake" + wrongPort
	}
	// It may contain text of a certificate, which may have hundreds of kilobytes.
	text := clip(strings.TrimPrefix(err.Error(), "tls: "), maxCertificateText)
	if hint := aboutCertificate(err); hint != "" {
		return text + " (" + hint + ")"
	}
	return withAlert(text, err)
}

// aboutCertificate returns a hint about what to do about a platform's certificate that
// is not accepted, or "".
func aboutCertificate(err error) string {
	if invalid, ok := errors.AsType[x509.CertificateInvalidError](err); ok && invalid.Reason == x509.Expired {
		return "the platform's certificate has to be renewed, or a clock is wrong"
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return "no trusted authority has signed the platform's certificate: trust the one that has"
	}
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return "the platform's certificate is for another name than the expected one, which is the address's host unless another is set"
	}
	return ""
}

// withAlert adds a hint to a text if the other side has refused TLS with this client.
func withAlert(text string, err error) string {
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "remote error" {
		return text + " (the endpoint refuses TLS with this client: it may demand a client certificate, or another version of TLS)"
	}
	return text
}

// explainLogin explains a failed login or question for the version.
func explainLogin(stage Stage, secured bool, err error) string {
	text := withAlert(ofConnection(err).Error(), err)
	switch {
	case !closedByPeer(err) || errors.Is(err, io.ErrUnexpectedEOF):
		return text
	case stage == StageLogin && !secured:
		return text + ": is this the port with TLS, or does its release not support the command?"
	}
	return text + ": does its release not support the command?"
}
