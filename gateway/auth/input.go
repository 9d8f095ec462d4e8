package auth

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxSecretBytes is higher than the limit of the published OCI schema for passwords,
// which is 60 characters.
const maxSecretBytes = 256

// checkLogin returns an [*InputError] with all mistakes in the form of a login.
func (n *userNames) checkLogin(username, password string) error {
	var problems []Problem
	add := func(field, reason string) {
		if reason != "" {
			problems = append(problems, Problem{field, reason})
		}
	}
	add("username", n.problem(username))
	add("password", secretProblem(password))
	if len(problems) > 0 {
		return &InputError{problems}
	}
	return nil
}

// secretProblem returns a clause about what is wrong, or an empty text.
func secretProblem(secret string) string {
	if len(secret) > maxSecretBytes {
		return "must not be longer than 256 bytes"
	}
	return textProblem(secret)
}

func textProblem(s string) string {
	switch {
	case s == "":
		return "must not be empty"
	case !utf8.ValidString(s):
		return "must be valid UTF-8"
	case strings.ContainsFunc(s, unicode.IsControl):
		return "must not contain control characters"
	case strings.ContainsAny(s, "\uFFFE\uFFFF"):
		return "must not contain characters that XML cannot hold"
	}
	return ""
}
