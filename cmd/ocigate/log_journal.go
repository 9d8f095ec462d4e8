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
