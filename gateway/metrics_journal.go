package gateway

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"ocigate/gateway/operation"
)

// A JournalWatcher reports the state of a journal. *operation.Keeper implements it.
type JournalWatcher interface {
	JournalState() (unusableSince time.Time, err error)
	OldestUnresolved() time.Time
	TrailHead() operation.Head
}

// A LockHolder reports whether this replica holds its lock in a shared journal.
// *postgres.Store implements it.
type LockHolder interface {
	LockState() (held bool, err error)
}

// WatchLock adds whether this replica holds its lock. It is read when the metrics are gathered.
func (m *Metrics) WatchLock(holder LockHolder) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "ocigate_journal_lock_held", Help: "1 while this replica holds its lock in PostgreSQL; while it is 0, others take its writes over only when its lease has expired. Only with PostgreSQL.",
	}, func() float64 {
		held, _ := holder.LockState()
		return float64(oneIf(held))
	}))
}

// WatchJournal adds the state of the journal. It is read when the metrics are gathered.
func (m *Metrics) WatchJournal(keeper JournalWatcher) {
	m.registry.MustRegister(
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "ocigate_journal_usable", Help: "1 while writes can be recorded, 0 while they are refused because the journal is not usable.",
		}, func() float64 {
			_, err := keeper.JournalState()
			return float64(oneIf(err == nil))
		}),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "ocigate_audit_lines", Help: "Number of the last line of the audit trail, read every minute; 0 until it could be read.",
		}, func() float64 { return float64(keeper.TrailHead().Sequence) }),
		// An age and not a timestamp: without such a write, a timestamp of 0 would
		// look like an age of decades.
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "ocigate_operations_oldest_unresolved_age_seconds", Help: "Longest time for which the outcome of a write has been unknown; 0 if there is none.",
		}, func() float64 {
			at := keeper.OldestUnresolved()
			if at.IsZero() {
				return 0
			}
			return max(0, time.Since(at).Seconds())
		}),
	)
}
