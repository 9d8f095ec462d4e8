package operation

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"ocigate/translate/scope"
)

// State is what is known of an operation.
type State string

// The states. Done, NotDone and PartlyDone are the ends.
const (
	// Received: it is being judged. Nothing is recorded that outlives the
	// process, and nothing was sent.
	Received State = "received"
	// Intent: a step of it is recorded, and may be sent from now on.
	Intent State = "intent"
	// Sent: a step of it is on its way, or the platform's answer is waited for.
	// This is known to the process that sends it; the store holds an Intent until
	// the end.
	Sent State = "sent"
	// Done: the platform did it, all of it.
	Done State = "done"
	// NotDone: the platform did nothing of it.
	NotDone State = "not_done"
	// PartlyDone: the outcomes of the entries that it was to change differ.
	PartlyDone State = "partly_done"
	// Unknown: it was sent, or may have been, and it is not known whether the
	// platform did it. It is being read back.
	Unknown State = "unknown"
)

// Ended tells whether the state is an end.
func (s State) Ended() bool { return s == Done || s == NotDone || s == PartlyDone }

// Running tells whether the operation is still on its way to its first
// outcome.
func (s State) Running() bool { return s == Received || s == Intent || s == Sent }

// Outcome is the state as far as a caller is concerned: an end, or unknown.
func (s State) Outcome() State {
	if s.Ended() {
		return s
	}
	return Unknown
}

// Operation is one write and all that is known of it. It is a value: whoever
// has one has a state of the past.
type Operation struct {
	// ID tells nothing and cannot be guessed. Ids made later sort behind
	// those made before, as far as the clocks of replicas agree.
	ID string `json:"id"`
	// Version counts the records of the operation, from 1.
	Version int `json:"version"`
	// Owner is the replica that takes care of it.
	Owner string `json:"owner"`
	State State  `json:"state"`

	Caller   Caller `json:"caller"`
	Route string `json:"endpoint"` // the name of the API's row
	// Target is what the request is about.
	scope.Target

	// Entries are in the order of the request, and behind those the ones that
	// only the plan knows.
	Entries []Entry `json:"entries"`
	// Claims are held as long as the operation is not over, beside its entries.
	Claims []Claim `json:"claims,omitempty"`
	// Step is the last step that may have been sent, from 1; 0 for none.
	Step int `json:"step,omitempty"`

	// Key is the caller's idempotency key, empty for none and where it was free
	// when the end was corrected; Fingerprint says what it stands for; KeyExpires
	// is when it is free again.
	Key         string    `json:"key,omitempty"`
	Fingerprint string    `json:"fingerprint,omitempty"`
	KeyExpires  time.Time `json:"key_expires,omitzero"`

	// PlatformEndpoint is the server of the platform that it was sent to.
	PlatformEndpoint string `json:"node,omitempty"`
	// Basis is what an end is known by. With NotTaken, its key is free again.
	Basis Basis `json:"basis,omitempty"`
	// Response is what the caller was told, as far as it is not the ordinary
	// answer of the endpoint. It means nothing to this package.
	Response json.RawMessage `json:"answer,omitempty"`

	ReceivedAt time.Time `json:"received_at"`
	IntendedAt time.Time `json:"intended_at,omitzero"`
	SentAt     time.Time `json:"sent_at,omitzero"`
	// UnknownAt is when it became unknown, EndedAt when it was over.
	UnknownAt time.Time `json:"doubted_at,omitzero"`
	EndedAt   time.Time `json:"ended_at,omitzero"`
	// RecheckAt is when an end is to be looked at once more, zero for never.
	RecheckAt time.Time `json:"recheck_at,omitzero"`
	// Corrections are the ends that turned out to be wrong.
	Corrections []Correction `json:"corrections,omitempty"`
	// Releases are by whom entries were freed while their outcome was unknown.
	Releases []Released `json:"releases,omitempty"`
}

// Basis is what the end of an operation is known by.
type Basis string

// What an end can be known by.
const (
	ByReply  Basis = "answer"    // the platform's own, intact
	ByReading Basis = "reading"   // the platform's lists
	NotTaken  Basis = "not_taken" // nothing left, or the platform did not look at it
)

// Caller is who asked for an operation, and from where.
type Caller struct {
	Name string `json:"name"`
	// Client tells a client that the gateway itself knows from a user of the
	// platform, who may have the same name.
	Client    bool   `json:"client,omitempty"`
	Level     string `json:"level"`
	Method    string `json:"method"`              // how the caller proved who it is
	ClientIP  string `json:"client_ip,omitempty"` // empty on a Unix socket
	RequestID string `json:"request_id"`
}

// Principal is the same for no two callers.
func (c Caller) Principal() string {
	if c.Client {
		return "client " + c.Name
	}
	return "user " + c.Name
}

// Correction is an end that turned out to be wrong.
type Correction struct {
	At   time.Time `json:"at"`
	From State     `json:"from"`
	To   State     `json:"to"`
}

// Over reports whether nothing is to be found out about the operation any more:
// it has ended, or it is unknown for good because entries of it were released
// and it holds none of the others.
func (o *Operation) Over() bool {
	return o.State.Ended() || len(o.Releases) > 0 && !slices.ContainsFunc(o.Entries, Entry.isHeld)
}

// Open tells whether somebody has to take care of the operation: it is not
// over, or what was found out is to be looked at once more.
func (o *Operation) Open() bool { return !o.Over() || !o.RecheckAt.IsZero() }

// HoldsKey tells whether the idempotency key is the operation's.
func (o *Operation) HoldsKey() bool { return o.Key != "" && o.Basis != NotTaken }

// The reasons for which a store does not do as it is told.
var (
	// ErrUnusable says that nothing can be recorded or read at the moment.
	// Nothing may be sent.
	ErrUnusable = errors.New("operation: the journal is not usable")
	// ErrNotFound says that there is no such operation.
	ErrNotFound = errors.New("operation: there is no such operation")
	// ErrConflict says that somebody else has taken care of an operation
	// meanwhile, so that what was to be recorded is out of date, or that the store
	// does not have the operation of an intent any more.
	ErrConflict = errors.New("operation: another replica has recorded the operation meanwhile, or it is not in the journal any more")
)

// KeyUsedError says that an idempotency key stands for an operation already.
type KeyUsedError struct{ Operation Operation }

func (e *KeyUsedError) Error() string {
	return "operation: the idempotency key belongs to operation " + e.Operation.ID
}

// HeldError says that another operation holds some of the same entries or claims,
// or had them after this one was begun.
type HeldError struct {
	ID   string  // of that operation, or of one of them
	Held []Claim // in the order of the operation that was refused
}

func (e *HeldError) Error() string {
	return fmt.Sprintf("operation: %s is held by operation %s", strings.Join(keysOf(e.Held), ", "), e.ID)
}
