package auth

import (
	"fmt"
	"io"
)

// Secret is a text that is not printed: packages fmt, encoding/json and log/slog
// show a placeholder, with every verb. A conversion to string returns the text.
type Secret string

const redacted = "[redacted]"

// Format implements [fmt.Formatter].
func (Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// MarshalText implements [encoding.TextMarshaler].
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// Format implements [fmt.Formatter]: an Authenticator contains keys, which some
// verbs would print.
func (*Authenticator) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "auth.Authenticator") }
