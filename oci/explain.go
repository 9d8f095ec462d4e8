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

// explainedError is an error in words that an operator understands without
// knowing where the original comes from. The original stays in its chain.
type explainedError struct {
	text string
	err  error
}

func (e *explainedError) Error() string { return e.text }
func (e *explainedError) Unwrap() error { return e.err }

// noAnswerError says that a time of the options has passed without an answer. It
// is a context.DeadlineExceeded.
type noAnswerError struct{ within time.Duration }

func (e *noAnswerError) Error() string { return "no answer within " + e.within.String() }
func (*noAnswerError) Unwrap() error   { return context.DeadlineExceeded }

// within limits ctx to a time of the options. The cause of its end is a
// noAnswerError, unless it ends for another reason.
func within(ctx context.Context, timeout time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, timeout, &noAnswerError{timeout})
}

// by is ctx without its end, until a time of the options has passed since began.
func by(ctx context.Context, began time.Time, timeout time.Duration) (context.Context, context.CancelFunc) {
	return context.WithDeadlineCause(context.WithoutCancel(ctx), began.Add(timeout), &noAnswerError{timeout})
}

// endOf says in words why ctx has ended. err is its error, or one of its kind.
func endOf(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	return ofContext(err)
}

// ofContext says in words what the bare errors of contexts mean. Any other error
// is returned as it is.
func ofContext(err error) error {
	switch err { //nolint:errorlint // what is wrapped has a text of its own
	case context.Canceled:
		return &explainedError{"the caller gave up", err}
	case context.DeadlineExceeded:
		return &explainedError{"the caller's time is over", err}
	}
	return err
}

// ofConnection says in words how a connection has ended. An error of another
// kind, or one that is in words already, is returned as it is.
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

// isOurs reports whether an error holds one of this package, which says itself
// what happened.
func isOurs(err error) bool {
	_, explained := errors.AsType[*explainedError](err)
	_, noAnswer := errors.AsType[*noAnswerError](err)
	_, lost := errors.AsType[*LostError](err)
	_, unsent := errors.AsType[*UnsentError](err)
	return explained || noAnswer || lost || unsent
}

// joinedErrors are those of several endpoints, with a text of one line.
type joinedErrors []error

// inOneLine joins errors. It is nil where there are none.
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

// stageWords are how messages call the steps on the way to a session.
var stageWords = map[Stage]string{
	StageDNS: "DNS", StageDial: "TCP", StageTLS: "TLS", StageLogin: "login", StageVersion: "question for the version",
}

// failure is the error of a step on the way to a session. ctx is the step's, and
// at the connection, if there is one.
func (e *endpoint) failure(ctx context.Context, stage Stage, at line, err error) *ConnectError {
	failed := &ConnectError{Endpoint: e.Name, Address: e.Address, Stage: stage}
	if _, lookup := errors.AsType[*net.DNSError](err); lookup && stage == StageDial {
		failed.Stage = StageDNS
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && failed.Stage == StageDial {
		failed.Remote = addressOf(op.Addr)
	}
	text := explain(ctx, failed.Stage, e.TLS != nil, err)
	if at.socket != nil {
		failed.Remote = addressOf(at.socket.RemoteAddr())
		if e.TLS == nil && at.socket.heardTLS.Load() {
			text = "the endpoint answers with TLS: is this the port with TLS?"
		}
	}
	if failed.Remote == e.Address {
		failed.Remote = ""
	}
	failed.Err = &explainedError{text, err}
	return failed
}

// noAnswers is the error of sessions that end before they bring an answer.
func (e *endpoint) noAnswers(why error) *ConnectError {
	return &ConnectError{Endpoint: e.Name, Address: e.Address, Stage: StageLogin, Err: fmt.Errorf("sessions end before they bring an answer: %w", why)}
}

// addressOf is an address of TCP, and empty for any other.
func addressOf(a net.Addr) string {
	if tcp, ok := a.(*net.TCPAddr); ok && tcp != nil {
		return tcp.String()
	}
	return ""
}

// explain says in words how a step on the way to a session has failed.
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

// maxCertificateText bounds what is said of a certificate, in bytes.
const maxCertificateText = 512

func explainTLS(err error) string {
	const wrongPort = ": is this the port without TLS?"
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return "the endpoint does not answer with TLS" + wrongPort
	}
	if closedByPeer(err) {
		return ofConnection(err).Error() + " during the handshake" + wrongPort
	}
	// It may name what stands in a certificate, which may be hundreds of kilobytes.
	text := clip(strings.TrimPrefix(err.Error(), "tls: "), maxCertificateText)
	if hint := aboutCertificate(err); hint != "" {
		return text + " (" + hint + ")"
	}
	return withAlert(text, err)
}

// aboutCertificate says what to do about a platform's certificate that is not
// accepted.
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

// withAlert adds what it means that the other side has refused TLS with us.
func withAlert(text string, err error) string {
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "remote error" {
		return text + " (the endpoint refuses TLS with this client: it may demand a client certificate, or another version of TLS)"
	}
	return text
}

func explainLogin(stage Stage, secured bool, err error) string {
	text := withAlert(ofConnection(err).Error(), err)
	switch {
	case !closedByPeer(err) || errors.Is(err, io.ErrUnexpectedEOF):
		return text
	case stage == StageLogin && !secured:
		return text + ": is this the port with TLS, or does its release not know the command?"
	}
	return text + ": does its release not know the command?"
}
