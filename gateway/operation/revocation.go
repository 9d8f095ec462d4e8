package operation

import (
	"context"
	"strings"
	"time"
)

// Revocation ends tokens of callers before they expire: one token, or all tokens of a
// principal that were issued until a time. This package stores revocations, and does not
// interpret Principal and Token: package auth does.
type Revocation struct {
	Principal string `json:"principal"`
	// Token is the id of the token. It is empty for all tokens of the principal.
	Token string `json:"token,omitempty"`
	// Issued is when the token was issued. If Token is empty, all tokens that were
	// issued until then are revoked; the zero time means those that were issued until
	// the store has the revocation.
	Issued time.Time `json:"issued"`
	// Expires is when no replica accepts any of these tokens any more. The zero time
	// means MaxTokenTTL after Issued.
	Expires time.Time `json:"expires"`
}

// Times of tokens, which are those of package auth.
const (
	// MaxTokenTTL is the longest time that a token of a login lasts.
	MaxTokenTTL = 24 * time.Hour
	// TokenLeeway is the permitted difference between the clocks of two replicas.
	TokenLeeway = 10 * time.Second
)

// At returns the revocation with the times that are the zero time. now is the latest of
// the clocks that are known. A replica whose clock is ahead of it, by TokenLeeway at most,
// may have issued a token with a later time.
func (r Revocation) At(now time.Time) Revocation {
	if r.Issued.IsZero() && r.Token == "" {
		r.Issued = now.UTC().Add(TokenLeeway).Truncate(time.Microsecond)
	}
	if r.Expires.IsZero() {
		r.Expires = r.Issued.Add(MaxTokenTTL + 2*TokenLeeway)
	}
	return r
}

// Covers reports whether every token that other revokes is also revoked by r, as long as r
// has not expired.
func (r Revocation) Covers(other Revocation) bool {
	return r.Principal == other.Principal && r.Token == "" && !other.Issued.After(r.Issued)
}

// Merge returns one revocation in place of r and of another one that has the same
// principal and token, or that r covers.
func (r Revocation) Merge(other Revocation) Revocation {
	if r.Token == other.Token && other.Issued.After(r.Issued) {
		r.Issued = other.Issued
	}
	if other.Expires.After(r.Expires) {
		r.Expires = other.Expires
	}
	return r
}

// EndTokens is an operator's order to revoke all tokens of a user that were issued until
// now.
type EndTokens struct {
	// Principal is that of the user's tokens, and User their name for the audit trail.
	Principal string `json:"principal"`
	User      string `json:"user"`
	By        string `json:"by"`
	Reason    string `json:"reason"` // 1 to [MaxReason] characters, all printable
}

// OrderError is the reason why an order of an operator is not carried out. Nothing was
// changed.
type OrderError struct{ Reason string }

// Error returns the reason.
func (e *OrderError) Error() string { return "operation: not done: " + e.Reason }

// Record stores the revocation together with a line of the audit trail. Any process that
// has the store can call it. The error is an [*OrderError]; any other means that the store
// is not usable, and that it is not known whether the tokens are revoked.
func (e EndTokens) Record(ctx context.Context, store Store) error {
	switch problem := orderProblem(e.By, e.Reason); {
	case e.Principal == "" || strings.TrimSpace(e.User) == "":
		return &OrderError{"it needs the name of a user"}
	case !isPrintable(e.User):
		return &OrderError{"the name of the user must have printable characters only"}
	case problem != "":
		return &OrderError{problem}
	}
	return store.Revoke(ctx, Revocation{Principal: e.Principal}, Event{
		Time: time.Now().UTC(), Kind: EventRevocation, UserID: e.User, Reason: e.Reason,
		Caller: Caller{Name: e.By, Level: operatorLevel, Method: operatorMethod},
	})
}
