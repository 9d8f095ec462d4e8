package status

import (
	"time"

	"ocigate/gateway"
	"ocigate/gateway/operation"
	"ocigate/oci"
)

// Options are the sources of a [Page]. A source that is nil has no section. The
// functions are called for each request, by one goroutine at a time.
type Options struct {
	Version string
	// Replica distinguishes this process for the reader, such as the name of its host.
	Replica string
	// StartedAt is when the program started. Default: when New is called.
	StartedAt time.Time
	// Ready returns why the replica should get no requests, or "". Default: it is
	// ready.
	Ready func() string

	Stats        func() oci.Stats
	Keeper       Keeper
	Metrics      Metrics
	Certificates func() []gateway.Certificate
	// Connections returns the open connections of each listener.
	Connections func() []gateway.Connections
	// Reload returns the result of the last reload of the configuration.
	Reload func() gateway.Reload
	// Config returns the effective configuration without its secrets, and since when
	// it has been effective.
	Config func() (yaml []byte, since time.Time)
	// Issuer returns the state of the external issuer of tokens; nil if there is none.
	Issuer func() *Issuer
}

// A Keeper reports the state of writes. *operation.Keeper implements it.
type Keeper interface {
	// JournalState returns since when the journal has been unusable, and why; the
	// zero time and nil while it is usable.
	JournalState() (unusableSince time.Time, err error)
	// OldestUnresolved returns when the oldest unknown operation became unknown, or
	// the zero time.
	OldestUnresolved() time.Time
	// Unknown returns the newest unknown operations, with the names of at most
	// maxHeld entries each, and the number of all.
	Unknown(limit, maxHeld int) (newest []operation.Unresolved, count int)
}

// Metrics returns counts of requests and logins. *gateway.Metrics implements it.
type Metrics interface{ Totals() gateway.Totals }

// Limits of a page.
const (
	maxEndpoints    = 50
	maxUnknown      = 20
	maxHeld         = 5
	maxErrors       = 50
	maxSessionUses  = 20
	maxCertificates = 100
	maxProblems     = 30
	maxKeys         = 50              // of the configuration, in the result of a reload
	maxText         = 400             // characters of a text
	maxConfig       = 128 << 10       // bytes of the configuration
	patience        = 2 * time.Second // for all sources together
)
