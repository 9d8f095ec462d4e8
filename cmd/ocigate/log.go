package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"
	"sync"
	"time"

	"ocigate/config"
	"ocigate/gateway/operation"
	"ocigate/oci"
	"ocigate/translate"
)

// newLogger returns a logger with the level and the format of the configuration.
func newLogger(c config.Log, to io.Writer) *slog.Logger {
	return slog.New(newLogHandler(c, to))
}

// withOperationsLog returns the trace with logging of the events of operations added.
func withOperationsLog(t operation.Trace, logger *slog.Logger) operation.Trace {
	resolved, corrected, undone, failed, blind := t.Resolved, t.Corrected, t.Undone, t.Failed, t.Blind
	t.Resolved = func(op operation.Operation) {
		resolved(op)
		logger.Info("the outcome of a write is known now", "operation_id", op.ID, "outcome", string(op.State))
	}
	t.Corrected = func(op operation.Operation) {
		corrected(op)
		logger.Error("the outcome of a write differs from the one that was reported", "operation_id", op.ID, "outcome", string(op.State))
	}
	t.Undone = func(op operation.Operation, later []string) {
		undone(op, later)
		logger.Error("what later writes have done is gone, as if the platform had carried out an earlier write after them: compare them with the platform, and set journal.settle to what it can take",
			"operation_id", op.ID, "later_operation_ids", strings.Join(later, " "))
	}
	t.Failed = func(doing string, err error) {
		failed(doing, err)
		logger.Warn("the journal of writes failed", "doing", doing, "cause", err.Error())
	}
	// There may be many while the platform is down, which is logged elsewhere.
	t.Blind = func(op operation.Operation, err error) {
		blind(op, err)
		logger.Debug("the outcome of a write could not be read back", "operation_id", op.ID, "cause", err.Error())
	}
	return t
}

// withLog returns the trace with logging of the events of sessions added: each failure,
// and the first success after a failure or after the start.
func withLog(t oci.Trace, logger *slog.Logger) oci.Trace {
	sessions := &sessionLog{logger: logger, working: map[string]bool{}}
	tried, closed, probed := t.SessionTried, t.SessionClosed, t.EndpointProbed
	t.SessionTried = func(endpoint string, took time.Duration, err error) {
		tried(endpoint, took, err)
		sessions.tried(endpoint, took, err)
	}
	t.SessionClosed = func(endpoint string, why oci.CloseReason, err error) {
		closed(endpoint, why, err)
		sessions.closed(endpoint, why, err)
	}
	t.EndpointProbed = func(p oci.Probe) {
		probed(p)
		sessions.probed(p)
	}
	t.LoggedIn = accountLog(logger)
	t.AccountRefused = func(endpoint, userID string, pause time.Duration, err error) {
		logger.Error("the platform refuses the credentials of the gateway's account; correct platform.user_id and platform.password, or unlock the account",
			"platform_endpoint", endpoint, "account", userID, "next_try_seconds", pause.Seconds(), "cause", err.Error())
	}
	t.PasswordRead = passwordLog(logger)
	t.DialectChanged = dialectLog(logger)
	t.PreferenceChanged = preferenceLog(logger)
	return t
}

// sessionLog logs the sessions with the platform.
type sessionLog struct {
	logger *slog.Logger

	mu      sync.Mutex      // guards working; not held while a line is written
	working map[string]bool // by endpoint: the last attempt succeeded
}

// swap stores whether the last attempt at an endpoint succeeded, and returns the value
// before.
func (l *sessionLog) swap(endpoint string, working bool) (before bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	before = l.working[endpoint]
	l.working[endpoint] = working
	return before
}

// tried logs an attempt to open a session.
func (l *sessionLog) tried(endpoint string, took time.Duration, err error) {
	worked := l.swap(endpoint, err == nil)
	fields := []any{"platform_endpoint", endpoint, "seconds", took.Seconds()}
	switch {
	case errors.Is(err, context.Canceled): // the program stops
	case err != nil:
		l.logger.Warn("no session with the platform", append(append(fields, addressOf(err)...), "cause", err.Error())...)
	case worked:
		l.logger.Debug("one more session with the platform", fields...)
	default:
		l.logger.Info("session with the platform", fields...)
	}
}

// closed logs the end of a session.
func (l *sessionLog) closed(endpoint string, why oci.CloseReason, err error) {
	level, cause := slog.LevelDebug, ""
	if err != nil {
		level, cause = slog.LevelWarn, err.Error()
	}
	l.logger.Log(context.Background(), level, "session with the platform has ended", "platform_endpoint", endpoint, "reason", string(why), "cause", cause)
}

// probed logs a change that a probe found. After an endpoint was down, its next session
// is logged.
func (l *sessionLog) probed(p oci.Probe) {
	if p.Changed && !p.Up {
		l.swap(p.Endpoint, false)
	}
	logProbe(l.logger, p)
}

// passwordLog returns a function that logs when a password cannot be read again, and
// when it can. The cause names the file.
func passwordLog(logger *slog.Logger) func(endpoint string, err error) {
	return func(endpoint string, err error) {
		if err != nil {
			logger.Error("the password of the gateway's account cannot be read again: the last good one stays in use", "platform_endpoint", endpoint, "cause", err.Error())
			return
		}
		logger.Info("the password of the gateway's account can be read again", "platform_endpoint", endpoint)
	}
}

// preferenceLog returns a function that logs when an endpoint loses its preference because it is
// slow, and when it has it back.
func preferenceLog(logger *slog.Logger) func(oci.Preference) {
	return func(p oci.Preference) {
		fields := []any{"platform_endpoint", p.Endpoint, "seconds", p.Took.Seconds(), "other_seconds", p.Other.Seconds()}
		if p.Slow {
			logger.Warn("the platform endpoint answers far more slowly than another one, which is used instead", fields...)
			return
		}
		logger.Info("the platform endpoint is preferred again: it is no longer slow", fields...)
	}
}

// dialectLog returns a function that logs the release of the platform, and then changes
// of the fall-backs.
func dialectLog(logger *slog.Logger) func(endpoint string, d oci.Dialect) {
	var mu sync.Mutex                    // guards reported; not held while a line is written
	reported := map[string]oci.Dialect{} // by endpoint
	return func(endpoint string, d oci.Dialect) {
		mu.Lock()
		last, known := reported[endpoint]
		reported[endpoint] = d
		mu.Unlock()
		source := "detected"
		if d.Set {
			source = "set"
		}
		fields := []any{"platform_endpoint", endpoint, "release", int(d.Release), "source", source, "version", d.Version}
		for _, f := range d.Fallbacks {
			fields = append(fields, "fallback_"+f.Feature, f.Use)
		}
		switch {
		case known && last.Release == d.Release && last.Version == d.Version:
			logger.Info("the platform does not support something that its release should: fall-backs changed", fields...)
		case d.Release == oci.ReleaseUnknown:
			logger.Warn("the platform's release is not known: optional elements are left out, and each command is tried in its newest form first; platform.release sets it", fields...)
		default:
			logger.Info("release of the platform", fields...)
		}
	}
}

// accountLog returns a function that logs an account of the gateway whose type does not
// have the rights that the API needs, once for each endpoint and type.
func accountLog(logger *slog.Logger) func(endpoint string, who oci.Identity) {
	var mu sync.Mutex               // guards reported; not held while a line is written
	reported := map[string]string{} // type by endpoint
	return func(endpoint string, who oci.Identity) {
		mu.Lock()
		news := reported[endpoint] != who.LoginType
		reported[endpoint] = who.LoginType
		mu.Unlock()
		if missing := translate.AccountLacks(who.LoginType); missing != "" && news {
			logger.Error("the gateway's account on the platform does not have the rights that it needs",
				"platform_endpoint", endpoint, "account", who.UserID, "type", who.LoginType, "required", translate.AccountRequired, "missing", missing)
		}
	}
}
