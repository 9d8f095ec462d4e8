package config

import (
	"fmt"
	"io"
	"log/slog"
)

// redacted stands wherever a secret would be printed.
const redacted = "[redacted]"

// Secret is a password, key or hash. Whatever prints, formats, logs or
// marshals it shows "[redacted]"; only [Secret.Reveal] gives it away.
//
// In YAML it is the text itself, {env: NAME} for the value of an environment
// variable, or {file: NAME} for the content of a file without the newline at
// its end. [CheckSecret] says what it must not hold.
type Secret struct {
	// A pointer, because fmt prints the fields of a structure that holds a
	// Secret in an unexported field without asking the Secret; all it then
	// finds is an address.
	value *string
	file  *string // the name of the file that it was read from, or nil
}

// NewSecret is the secret of that value.
func NewSecret(value string) Secret { return Secret{value: &value} }

// Reveal is the secret itself; of the zero Secret, it is empty.
func (s Secret) Reveal() string {
	if s.value == nil {
		return ""
	}
	return *s.value
}

// File is the name of the file that the secret was read from, empty where it
// comes from elsewhere.
func (s Secret) File() string {
	if s.file == nil {
		return ""
	}
	return *s.file
}

// Current reads the file that the secret comes from again, which may hold
// another one since. A secret from elsewhere stays as it is. The error names the
// file, and says that it cannot be read or what [CheckSecret] finds wrong.
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

// readSecret is the secret in a file. The error names the file.
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

// IsSet tells whether there is a secret that is not empty.
func (s Secret) IsSet() bool { return s.Reveal() != "" }

// String is "[redacted]".
func (Secret) String() string { return redacted }

// GoString is "[redacted]".
func (Secret) GoString() string { return redacted }

// Format writes "[redacted]", whatever the verb.
func (Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// MarshalText is "[redacted]", for JSON, YAML and XML alike.
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// LogValue is "[redacted]".
func (Secret) LogValue() slog.Value { return slog.StringValue(redacted) }
