package config

import (
	"fmt"
	"io"
	"log/slog"
)

// redacted is the placeholder that is printed instead of a secret.
const redacted = "[redacted]"

// Secret is a password, key or hash. Printing, formatting, logging or marshaling
// it gives "[redacted]"; only [Secret.Reveal] returns it.
//
// In YAML it is the text itself, {env: NAME} for the value of an environment
// variable, {file: NAME} for the content of a file without the newline at its
// end, or {credential: NAME} for that of a file in the folder in which systemd
// passes the credentials of a service. [CheckSecret] lists what it must not
// contain.
type Secret struct {
	// A pointer, because fmt does not call the methods of a Secret in an
	// unexported field of a structure. It then prints only an address.
	value *string
	file  *string // name of the file that it was read from, or nil
}

// NewSecret returns a secret with that value.
func NewSecret(value string) Secret { return Secret{value: &value} }

// Reveal returns the secret itself. It is empty for the zero Secret.
func (s Secret) Reveal() string {
	if s.value == nil {
		return ""
	}
	return *s.value
}

// File returns the name of the file that the secret was read from, and an empty
// text if it is not from a file.
func (s Secret) File() string {
	if s.file == nil {
		return ""
	}
	return *s.file
}

// Current reads the file of the secret again and returns its present content. A
// secret that is not from a file is returned unchanged. The error names the file;
// its reason is that of reading, or that of [CheckSecret].
func (s Secret) Current() (Secret, error) {
	if s.file == nil {
		return s, nil
	}
	text, err := readSecret(*s.file, readFile)
	if err != nil {
		return Secret{}, err
	}
	return Secret{value: &text, file: s.file}, nil
}

// readSecret returns the secret in a file. The error names the file.
func readSecret(file string, read func(string) ([]byte, error)) (string, error) {
	raw, err := read(file)
	if err != nil {
		return "", fmt.Errorf("cannot be read: %w", err)
	}
	text, err := SecretIn(raw)
	if err != nil {
		return "", fmt.Errorf("the file %s %w", printable(file), err)
	}
	return text, nil
}

// IsSet reports whether the secret is not empty.
func (s Secret) IsSet() bool { return s.Reveal() != "" }

// String returns "[redacted]".
func (Secret) String() string { return redacted }

// GoString returns "[redacted]".
func (Secret) GoString() string { return redacted }

// Format writes "[redacted]" for every verb.
func (Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// MarshalText returns "[redacted]", for JSON, YAML and XML.
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// LogValue returns "[redacted]".
func (Secret) LogValue() slog.Value { return slog.StringValue(redacted) }
