package operation

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"
)

// EventKind is the kind of an event of the audit trail.
type EventKind string

// The kinds of events.
const (
	EventIntent     EventKind = "intent"     // a write is about to be sent
	EventOutcome    EventKind = "outcome"    // its state: an end, or unknown
	EventCorrection EventKind = "correction" // an earlier outcome was wrong
	EventRelease    EventKind = "release"    // an operator has freed entries of a write whose outcome is unknown
	EventLogin      EventKind = "login"
	EventLogout     EventKind = "logout"
	EventRevocation EventKind = "revocation" // an operator has revoked the tokens of a user
	EventWireTrace  EventKind = "wire_trace" // an operator has begun or ended the trace of a tenant, or its time was over
)

// Event is the content of one line of the audit trail: a caller, what they did and from
// where, and the result.
type Event struct {
	Time      time.Time `json:"time"`
	Kind      EventKind `json:"event"`
	Caller    Caller    `json:"caller"`
	Route     string    `json:"endpoint"`
	Operation string    `json:"operation_id,omitempty"`
	TenantID  string    `json:"tenant_id,omitempty"`
	GroupID   string    `json:"group_id,omitempty"`
	// UserID is the user that the operation is about or, of a revocation, the one whose
	// tokens are revoked.
	UserID string `json:"user_id,omitempty"`
	// Entries have the values before the change and those that it is to make. Their
	// outcomes report which of them they have. Those of a release are the ones that
	// it freed.
	Entries          []Entry `json:"entries,omitempty"`
	PlatformEndpoint string  `json:"node,omitempty"`
	// Outcome is a [State], or the result of a login. The state of an operation is
	// that of its last outcome, correction or release: an earlier line may belong to
	// a record that failed.
	Outcome string `json:"outcome,omitempty"`
	Basis   Basis  `json:"basis,omitempty"`
	// Reason is why an operator has freed the entries or revoked the tokens, in their words.
	Reason string `json:"reason,omitempty"`
}

// EventOf returns an event about the present state of an operation.
func EventOf(kind EventKind, op *Operation, at time.Time) Event {
	return Event{
		Time: at.UTC(), Kind: kind, Caller: op.Caller, Route: op.Route, Operation: op.ID,
		TenantID: op.TenantID, GroupID: op.GroupID, UserID: op.UserID, Entries: op.Entries,
		PlatformEndpoint: op.PlatformEndpoint, Outcome: string(op.State), Basis: op.Basis,
	}
}

// Head is the end of an audit trail: the number and the hash of its last line. The zero
// Head is that of an empty trail.
type Head struct {
	Sequence int64
	Hash     string // 64 hexadecimal digits, empty where there is no line
}

// String returns the number and the hash, separated by a colon.
func (h Head) String() string { return fmt.Sprintf("%d:%s", h.Sequence, h.Hash) }

// chained is a line of the trail without its hash, which is the last field.
type chained struct {
	Sequence int64  `json:"seq"`
	Previous string `json:"prev"`
	Event
}

// hashField begins the last field of a line. The hash is that of all bytes before it,
// so that it does not depend on how a program formats JSON.
const hashField = `,"hash":"`

// Seal returns the next line of a trail, without a newline. Its hash is the SHA-256 of
// the line before the hash field, which includes the previous line's hash.
func Seal(head Head, event Event) (line []byte, next Head, err error) {
	body, err := json.Marshal(chained{head.Sequence + 1, head.Hash, event})
	if err != nil {
		return nil, Head{}, fmt.Errorf("operation: audit event: %w", err)
	}
	body = body[:len(body)-1] // without its brace
	next = Head{head.Sequence + 1, hashOf(body)}
	return fmt.Appendf(body, `%s%s"}`, hashField, next.Hash), next, nil
}

func hashOf(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}

// BrokenError describes the first line at which an audit trail is not as it was written.
type BrokenError struct {
	Line   int64 // counted from 1 in what was read
	Reason string
}

// Error names the line and the reason.
func (e *BrokenError) Error() string {
	return fmt.Sprintf("operation: audit trail: line %d %s", e.Line, e.Reason)
}

// HeadOf returns the number and the hash of one line, and validates the hash. The
// second result is the hash of the line before.
func HeadOf(line []byte) (Head, string, error) {
	at := bytes.LastIndex(line, []byte(hashField))
	if at < 0 {
		return Head{}, "", errors.New("has no hash")
	}
	hash, closed := strings.CutSuffix(string(line[at+len(hashField):]), `"}`)
	if !closed || hash != hashOf(line[:at]) {
		return Head{}, "", errors.New("does not have the hash that it should have: it was changed")
	}
	var c chained
	if err := json.Unmarshal(line, &c); err != nil {
		return Head{}, "", fmt.Errorf("is not JSON: %w", err)
	}
	return Head{c.Sequence, hash}, c.Previous, nil
}

// Trail iterates over the lines of an audit trail in their order, without newlines. A
// line is valid until the next iteration. An error ends the iteration.
type Trail = iter.Seq2[[]byte, error]

// Verify reads a trail from its first line to its last and returns its head.
// The error is a [*BrokenError] for the first line that was changed, left out, moved or
// added. The trail alone does not show whether lines are missing at its end: compare
// the head with one that was noted elsewhere. The number and the previous hash of the
// first line are not validated, since older lines may be archived.
func Verify(trail Trail) (Head, error) {
	var head Head
	count := int64(0)
	for line, err := range trail {
		if err != nil {
			return head, err
		}
		count++
		next, previous, err := HeadOf(line)
		switch {
		case err != nil:
			return head, &BrokenError{count, err.Error()}
		case count == 1:
		case next.Sequence != head.Sequence+1:
			return head, &BrokenError{count, fmt.Sprintf("has number %d where %d is due: lines were left out, moved or added", next.Sequence, head.Sequence+1)}
		case previous != head.Hash:
			return head, &BrokenError{count, "does not follow from the line before it"}
		}
		head = next
	}
	return head, nil
}
