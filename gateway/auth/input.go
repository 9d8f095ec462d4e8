package auth

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits on what is taken from callers. The published OCI schema gives user
// ids 1..161 characters and passwords 1..60; passwords are left some room.
const (
	maxUsernameChars = 161
	maxSecretBytes   = 256
)

// checkLogin names everything wrong with the form of a login.
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

// usernameProblem is a clause, or empty. The platform collapses white space in
// user ids, so ids with more of it than needed would be second names of an
// account, with counters of their own.
func usernameProblem(name string) string {
	switch {
	case utf8.RuneCountInString(name) > maxUsernameChars:
		return "must not be longer than 161 characters"
	case strings.Join(strings.Fields(name), " ") != name:
		return "must not have leading, trailing or repeated blanks"
	}
	return textProblem(name)
}

// secretProblem is a clause, or empty.
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
