package main

import (
	"log/slog"

	"ocigate/gateway/operation"
)

// withJournalLog returns the trace with logging added of when the journal becomes
// unusable, and when it is usable again, and of the anchors of the audit trail.
func withJournalLog(t operation.Trace, logger *slog.Logger) operation.Trace {
	t.Journal = func(err error) {
		if err == nil {
			logger.Info("the journal is usable again: writes are accepted")
			return
		}
		logger.Error("the journal is not usable: writes are refused", "cause", err.Error())
	}
	t.Anchor = func(head operation.Head) {
		logger.Info("anchor of the audit trail", "head", head.String())
	}
	return t
}

// lockLog returns a function that logs whether this replica holds its lock in a shared journal.
func lockLog(logger *slog.Logger) func(err error) {
	return func(err error) {
		if err == nil {
			logger.Info("this replica holds its lock in the journal: if it dies, others take over its writes within seconds")
			return
		}
		logger.Warn("this replica does not hold its lock in the journal: if it dies, others take over its writes when its lease has expired", "cause", err.Error())
	}
}
