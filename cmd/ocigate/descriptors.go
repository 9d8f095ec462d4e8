package main

import (
	"fmt"
	"time"

	"ocigate/config"
)

// Numbers of descriptors.
const (
	// maxAdminConnections is the limit of connections of the listener for operators: far
	// more than those who ask for metrics and health.
	maxAdminConnections = 32
	// otherDescriptors are reserved for the log, the listeners, the journal and its
	// control socket, a database's connections, the issuer's keys, name lookups, and files
	// that a reload reads.
	otherDescriptors = 64
	// mostConnections is the default limit if there are descriptors for more: an idle
	// connection takes memory.
	mostConnections = 10000
	// fewestConnections is the limit if the descriptors do not suffice for more.
	fewestConnections = 16
)

// A descriptorBudget is how the descriptors of the process are shared.
type descriptorBudget struct {
	limit       int // of open descriptors; 0 if it is not known
	reserved    int // for everything but connections to the API
	connections int // limit of connections to the API
	shortage    string
}

// budgetOf returns the budget of this process with that configuration.
func budgetOf(c *config.Config) descriptorBudget { return budgetWith(c, descriptorLimit()) }

// budgetWith returns the budget with that limit of descriptors, 0 if it is not known. The
// sessions with the platform, the journal and the listener for operators come first, because
// a gateway without them serves nobody.
func budgetWith(c *config.Config, limit int) descriptorBudget {
	b := descriptorBudget{
		limit:    limit,
		reserved: c.Platform.Pool.Max + c.Auth.Throttle.Concurrent + 2*len(c.Platform.Endpoints) + maxAdminConnections + otherDescriptors,
	}
	wanted := c.HTTP.MaxConnections
	b.connections = wanted
	if wanted == 0 {
		b.connections = mostConnections
	}
	if limit == 0 {
		return b
	}
	left := limit - b.reserved
	b.connections = max(min(b.connections, left), fewestConnections)
	switch {
	case left < fewestConnections:
		b.shortage = fmt.Sprintf("the limit of open files is %d, but the sessions with the platform, the journal and the listener for operators may need %d, and connections to the API at least %d: raise it to %d or more",
			limit, b.reserved, fewestConnections, b.reserved+fewestConnections)
	case left < wanted:
		b.shortage = fmt.Sprintf("the limit of open files is %d, of which %d are reserved, so http.max_connections is %d and not %d: raise it to %d or more",
			limit, b.reserved, b.connections, wanted, b.reserved+wanted)
	}
	return b
}

// warnOfDescriptors logs that the process may have too few files open for its configuration.
func (p *Program) warnOfDescriptors() {
	if b := budgetOf(p.configOf()); b.shortage != "" {
		p.logger.Warn("the limit of open files is too small", "cause", b.shortage)
	}
}

// nameDescriptors is the name of the check of the limit of open files.
const nameDescriptors = "descriptors"

// checkDescriptors compares the limit of open files with what a gateway with this
// configuration may need. It is the limit of this process: that of a service may be another
// one, and is a line in the log when the gateway starts.
func (d *doctor) checkDescriptors() {
	began := time.Now()
	b := budgetOf(d.config)
	c := check{Name: nameDescriptors, Tried: "add up what a gateway may have open"}
	switch {
	case b.limit == 0:
		d.report.skip(c, "the limit of open files is not known on this system")
	case b.shortage != "":
		d.report.note(c, time.Since(began), "in this shell, "+b.shortage, "raise the limit where the gateway runs, such as by LimitNOFILE of systemd or ulimit -n; the gateway logs a warning when it starts if it is too small there")
	default:
		d.report.ok(c, time.Since(began), fmt.Sprintf("%d are allowed here: %d are reserved, and the API may have %d connections", b.limit, b.reserved, b.connections))
	}
}
