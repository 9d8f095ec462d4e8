package auth

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits of user names and secrets. The published OCI schema permits 1..161
// characters for user ids and 1..60 for passwords; the limit of passwords here is
// higher.
const (
	maxUsernameChars = 161
	maxSecretBytes   = 256
)

// checkLogin returns an [*InputError] with all mistakes in the form of a login.
func checkLogin(username, password string) error {
	var problems []Problem
	add := func(field, reason string) {
		if reason != "" {
			problems = append(problems, Problem{field, reason})
		}
	}
	add("username", usernameProblem(username))
	add("password", secretProblem(password))
	if len(problems) > 0 {
		return &InputError{problems}
	}
	return nil
}

// usernameProblem returns a clause about what is wrong, or an empty text. The
// platform collapses white space in user ids, so ids with additional white space
// would be further names of an account, with separate counters.
func usernameProblem(name string) string {
	switch {
	case utf8.RuneCountInString(name) > maxUsernameChars:
		return "must not be longer than 161 characters"
	case strings.Join(strings.Fields(name), " ") != name:
		return "must not have leading, trailing or repeated blanks"
	}
	return textProblem(name)
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
