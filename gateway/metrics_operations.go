package gateway

import (
	"github.com/prometheus/client_golang/prometheus"

	"ocigate/gateway/operation"
)

// makeOperations creates the metrics of writes.
func (m *Metrics) makeOperations() {
	m.operations = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "ocigate_operations_total", Help: "Writes that were recorded, by their first outcome: done, not_done, partly_done or unknown.",
	}, []string{"endpoint", "outcome"})
	m.operationsResolved = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "ocigate_operations_resolved_total", Help: "Writes whose unknown outcome was found out, by that outcome.",
	}, []string{"endpoint", "outcome"})
	m.corrections = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "ocigate_operation_corrections_total", Help: "Writes whose reported outcome turned out to be different later.",
	}, []string{"endpoint"})
	m.undone = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "ocigate_operations_undone_total", Help: "Writes that were done and whose effect is gone, as if the platform had carried out an earlier write after them; the log has their ids.",
	})
	m.replays = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "ocigate_operation_replays_total", Help: "Requests that got the outcome of the first one with the same Idempotency-Key.",
	}, []string{"endpoint"})
	m.journalFailures = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "ocigate_journal_failures_total", Help: "Failures to record writes, logins or logouts; the log has the cause of each.",
	})
	m.readingsFailed = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "ocigate_operation_readings_failed_total", Help: "Failures to read back the outcome of a write from the platform.",
	})
	m.adopted = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "ocigate_operations_adopted_total", Help: "Writes that were taken over from another process, by how it was found to have stopped: lock (its lock in PostgreSQL is free), or lease (that has expired, or the embedded journal was opened again).",
	}, []string{"reason"})
	m.registry.MustRegister(m.adopted, m.operations, m.operationsResolved, m.corrections, m.undone, m.replays, m.journalFailures, m.readingsFailed)
}

// The reasons why writes are taken over.
const (
	adoptedByLock  = "lock"
	adoptedByLease = "lease"
)

// Operations returns the hooks with which the outcomes of writes are counted.
func (m *Metrics) Operations() operation.Trace {
	return operation.Trace{
		Recorded: func(op operation.Operation) { m.operations.WithLabelValues(op.Route, string(op.State)).Inc() },
		Resolved: func(op operation.Operation) {
			m.operationsResolved.WithLabelValues(op.Route, string(op.State)).Inc()
		},
		Adopted: func(_ operation.Operation, early bool) {
			reason := adoptedByLease
			if early {
				reason = adoptedByLock
			}
			m.adopted.WithLabelValues(reason).Inc()
		},
		Corrected: func(op operation.Operation) { m.corrections.WithLabelValues(op.Route).Inc() },
		Undone:    func(_ operation.Operation, later []string) { m.undone.Add(float64(len(later))) },
		Failed:    func(string, error) { m.journalFailures.Inc() },
		Blind:     func(operation.Operation, error) { m.readingsFailed.Inc() },
	}
}

// WatchOperations adds the number of writes whose outcome is unknown. It is read when
// the metrics are gathered.
func (m *Metrics) WatchOperations(keeper interface{ Unresolved() int }) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "ocigate_operations_unresolved", Help: "Writes with an unknown outcome that this replica is resolving.",
	}, func() float64 { return float64(keeper.Unresolved()) }))
}
