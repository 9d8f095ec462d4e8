package auth

import (
	"fmt"
	"io"
)

// Secret is text that does not print: fmt, encoding/json and log/slog show a
// placeholder, whatever the verb. A conversion to string gives the text.
type Secret string

const redacted = "[redacted]"

// Format implements [fmt.Formatter].
func (Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// MarshalText implements [encoding.TextMarshaler].
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// Format implements [fmt.Formatter]: an Authenticator holds keys, which some
// verbs would dig out.
func (*Authenticator) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "auth.Authenticator") }
