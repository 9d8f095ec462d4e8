package gateway

import "github.com/prometheus/client_golang/prometheus"

// Connections are the open connections of a listener, and its limit of them.
type Connections struct {
	Listener string // "http.listen" or "admin.listen"
	// New have not sent a complete header of a request, Idle are between two requests,
	// Receiving send the body of a request, and the requests of Active are carried out.
	New, Idle, Receiving, Active int

	Max           int
	ClosedForRoom uint64 // since the start
}

// WatchConnections adds the connections of the listeners. They are counted when the metrics
// are gathered.
func (m *Metrics) WatchConnections(stats func() []Connections) {
	m.registry.MustRegister(connectionCollector{stats})
}

type connectionCollector struct{ stats func() []Connections }

var (
	connectionsDesc = prometheus.NewDesc("ocigate_connections",
		"Open connections of a listener, by state: new before the first complete header of a request, idle between two requests, receiving while a body arrives, active while a request is carried out.", []string{"listener", "state"}, nil)
	connectionsMaxDesc = prometheus.NewDesc("ocigate_connections_max",
		"Limit of the connections of a listener. At the limit, a connection that is not active is closed for each new one.", []string{"listener"}, nil)
	connectionsClosedDesc = prometheus.NewDesc("ocigate_connections_closed_for_room_total",
		"Connections that were not active and were closed to make room for new ones.", []string{"listener"}, nil)
)

// Describe implements prometheus.Collector.
func (connectionCollector) Describe(to chan<- *prometheus.Desc) {
	to <- connectionsDesc
	to <- connectionsMaxDesc
	to <- connectionsClosedDesc
}

// Collect implements prometheus.Collector.
func (c connectionCollector) Collect(to chan<- prometheus.Metric) {
	for _, s := range c.stats() {
		gauge := func(desc *prometheus.Desc, value int, labels ...string) {
			to <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, float64(value), labels...)
		}
		gauge(connectionsDesc, s.New, s.Listener, "new")
		gauge(connectionsDesc, s.Idle, s.Listener, "idle")
		gauge(connectionsDesc, s.Receiving, s.Listener, "receiving")
		gauge(connectionsDesc, s.Active, s.Listener, "active")
		gauge(connectionsMaxDesc, s.Max, s.Listener)
		to <- prometheus.MustNewConstMetric(connectionsClosedDesc, prometheus.CounterValue, float64(s.ClosedForRoom), s.Listener)
	}
}
