package operation

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
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

	EventTrailArchived EventKind = "audit_archive" // an operator has archived the first lines of the trail
	EventTrailRemoved  EventKind = "audit_remove"  // the first lines of the trail were older than they are kept
	EventTrailAccepted EventKind = "audit_accept"  // an operator has accepted that lines of the trail are missing
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
	// Reason is why an operator has given the order, in their words.
	Reason string `json:"reason,omitempty"`
	// Head is a [Head] of the trail: the last line that was archived or removed, or
	// the one that was expected at the end of a trail that was accepted without it.
	Head string `json:"head,omitempty"`
	// Archive is the file with the lines that were archived.
	Archive string `json:"archive,omitempty"`
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

// MarshalText implements [encoding.TextMarshaler] with the text of [Head.String].
func (h Head) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (h *Head) UnmarshalText(text []byte) (err error) {
	*h, err = ParseHead(string(text))
	return err
}

// ParseHead parses the text of [Head.String].
func ParseHead(text string) (Head, error) {
	number, hash, ok := strings.Cut(text, ":")
	sequence, err := strconv.ParseInt(number, 10, 64)
	_, notHex := hex.DecodeString(hash)
	if !ok || err != nil || sequence < 0 || notHex != nil || (sequence == 0) != (hash == "") || sequence > 0 && len(hash) != 2*sha256.Size {
		return Head{}, fmt.Errorf("a head is a number, a colon and a hash of %d digits, not %q", 2*sha256.Size, text)
	}
	return Head{Sequence: sequence, Hash: hash}, nil
}

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

// lineRead is what the chain needs of a line.
type lineRead struct {
	head     Head
	previous string // the hash of the line before
	kind     EventKind
}

// readLine reads one line, and validates its hash.
func readLine(line []byte) (lineRead, error) {
	at := bytes.LastIndex(line, []byte(hashField))
	if at < 0 {
		return lineRead{}, errors.New("has no hash")
	}
	hash, closed := strings.CutSuffix(string(line[at+len(hashField):]), `"}`)
	if !closed || hash != hashOf(line[:at]) {
		return lineRead{}, errors.New("does not have the hash that it should have: it was changed")
	}
	var c chained
	if err := json.Unmarshal(line, &c); err != nil {
		return lineRead{}, fmt.Errorf("is not JSON: %w", err)
	}
	return lineRead{Head{c.Sequence, hash}, c.Previous, c.Kind}, nil
}

// HeadOf returns the number and the hash of one line, and validates the hash. The
// second result is the hash of the line before.
func HeadOf(line []byte) (Head, string, error) {
	read, err := readLine(line)
	return read.head, read.previous, err
}
