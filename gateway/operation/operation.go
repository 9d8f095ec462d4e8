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

// Operation is one write and all that is known of it. It is a value: a copy shows the
// state at the time when it was made.
type Operation struct {
	// ID carries no information and cannot be guessed. Later ids sort behind
	// earlier ones, as far as the clocks of replicas agree.
	ID string `json:"id"`
	// Version counts the records of the operation, from 1.
	Version int `json:"version"`
	// Owner is the replica that takes care of it.
	Owner string `json:"owner"`
	State State  `json:"state"`

	Caller Caller `json:"caller"`
	Route  string `json:"endpoint"` // name of the API route
	// Target is the tenant, group or user that the request changes.
	scope.Target

	// Entries are in the order of the request, followed by those that only the
	// plan names.
	Entries []Entry `json:"entries"`
	// Claims are held, beside the entries, as long as the operation is not over.
	Claims []Claim `json:"claims,omitempty"`
	// Step is the last step that may have been sent, from 1; 0 means none.
	Step int `json:"step,omitempty"`

	// Key is the caller's idempotency key. It is empty if there is none, or if the
	// key was free when the end was corrected. Fingerprint identifies the request
	// that the key was used for; KeyExpires is when the key is free again.
	Key         string    `json:"key,omitempty"`
	Fingerprint string    `json:"fingerprint,omitempty"`
	KeyExpires  time.Time `json:"key_expires,omitzero"`

	// PlatformEndpoint is the endpoint of the platform that it was sent to.
	PlatformEndpoint string `json:"node,omitempty"`
	// Basis is how an end is known. If it is NotTaken, the key is free again.
	Basis Basis `json:"basis,omitempty"`
	// Response is the response to the caller, if it differs from the route's
	// usual response. This package does not interpret it.
	Response json.RawMessage `json:"answer,omitempty"`

	ReceivedAt time.Time `json:"received_at"`
	IntendedAt time.Time `json:"intended_at,omitzero"`
	SentAt     time.Time `json:"sent_at,omitzero"`
	// UnknownAt is when the operation became unknown, EndedAt when it was over. If it was
	// taken over from a process that may still run, UnknownAt is the time, perhaps in the
	// future, from when on that process cannot be sending it any more.
	UnknownAt time.Time `json:"doubted_at,omitzero"`
	EndedAt   time.Time `json:"ended_at,omitzero"`
	// RecheckAt is when an end is to be read back once more; zero means never.
	RecheckAt time.Time `json:"recheck_at,omitzero"`
	// Corrections are the ends that were found to be wrong.
	Corrections []Correction `json:"corrections,omitempty"`
	// Releases are those by which operators freed entries while their outcome was
	// unknown.
	Releases []Released `json:"releases,omitempty"`
}

// Basis is how the end of an operation is known.
type Basis string

// The values of a [Basis].
const (
	ByReply   Basis = "answer"    // from the platform's own reply
	ByReading Basis = "reading"   // from the platform's lists
	NotTaken  Basis = "not_taken" // nothing was sent, or the platform did not process it
)

// Caller is the author of a request, and where it came from.
type Caller struct {
	Name string `json:"name"`
	// Client distinguishes a client of the gateway's own configuration from a
	// user of the platform, who may have the same name.
	Client    bool   `json:"client,omitempty"`
	Level     string `json:"level"`
	Method    string `json:"method"`              // how the caller was authenticated
	ClientIP  string `json:"client_ip,omitempty"` // empty on a Unix socket
	RequestID string `json:"request_id"`
}

// MethodExternal is the Method of a caller whose token an external issuer has signed.
// Such a caller is neither a client of the configuration nor a user of the platform,
// whatever their name is.
const MethodExternal = "oidc"

// Principal returns a text that is different for any two callers.
func (c Caller) Principal() string {
	switch {
	case c.Method == MethodExternal:
		return "external " + c.Name
	case c.Client:
		return "client " + c.Name
	}
	return "user " + c.Name
}

// Correction is an end that was found to be wrong, and the state that replaced it.
type Correction struct {
	At   time.Time `json:"at" doc:"When it was found."`
	From State     `json:"from" values:"outcomes" doc:"The wrong end."`
	To   State     `json:"to" values:"outcomes" doc:"The state that replaced it."`
}

// Over reports whether nothing more is to be found out about the operation: it has
// ended, or it is unknown for good because entries of it were released and it holds
// none of the others.
func (o *Operation) Over() bool {
	return o.State.Ended() || len(o.Releases) > 0 && !slices.ContainsFunc(o.Entries, Entry.isHeld)
}

// Open reports whether a keeper has to take care of the operation: it is not over, or
// its end is to be rechecked.
func (o *Operation) Open() bool { return !o.Over() || !o.RecheckAt.IsZero() }

// HoldsKey reports whether the operation has an idempotency key that is not free
// again.
func (o *Operation) HoldsKey() bool { return o.Key != "" && o.Basis != NotTaken }

// Errors of a [Store] and of the [Keeper].
var (
	// ErrUnusable means that nothing can be recorded or read at the moment.
	// Nothing may be sent.
	ErrUnusable = errors.New("operation: the journal is not usable")
	// ErrNotFound means that there is no such operation.
	ErrNotFound = errors.New("operation: there is no such operation")
	// ErrConflict means that another process has recorded the operation meanwhile,
	// so that the record is out of date, or that the store does not have the
	// operation of an intent any more.
	ErrConflict = errors.New("operation: another replica has recorded the operation meanwhile, or it is not in the journal any more")
)

// KeyUsedError means that an idempotency key already belongs to an operation.
type KeyUsedError struct{ Operation Operation }

// Error names the operation that has the key.
func (e *KeyUsedError) Error() string {
	return "operation: the idempotency key belongs to operation " + e.Operation.ID
}

// HeldError means that another operation holds some of the same entries or claims, or
// held them after this one was begun.
type HeldError struct {
	ID   string  // of that operation, or of one of them
	Held []Claim // in the order of the refused operation
}

// Error names the keys that are held and the operation that holds them.
func (e *HeldError) Error() string {
	return fmt.Sprintf("operation: %s is held by operation %s", strings.Join(keysOf(e.Held), ", "), e.ID)
}
