package gateway

import (
	"github.com/prometheus/client_golang/prometheus"

	"ocigate/gateway/auth"
)

// newClientHashCounter returns the counter of requests of clients that have two hashes.
func newClientHashCounter() *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "ocigate_client_hash_used_total",
		Help: "Requests of listed clients that have two hashes, by client and by the hash that their secret matched: hash or next_hash. When one of them does not increase any more, its secret is not used any more.",
	}, []string{"client", "hash"})
}

// startClients creates the series of the clients that have two hashes.
func (m *Metrics) startClients(ids []string) {
	startAtZero(m.clientHashes, ids, texts(auth.HashNames()))
}

// startShares creates the series of listed clients, by their ids.
func (m *Metrics) startShares(ids []string) {
	startAtZero(m.sessionSeconds, []string{usedByClient}, ids)
}

func (m *Metrics) hashUsed(by auth.Principal) {
	m.clientHashes.WithLabelValues(by.Name, string(by.Hash)).Inc()
}
