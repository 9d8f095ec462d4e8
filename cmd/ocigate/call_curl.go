package main

import (
	"fmt"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
)

// printCurl prints a request as a command line for a POSIX shell.
func (e *endpointCall) printCurl(c *cobra.Command, r apiRequest) error {
	if r.areGiven() && r.file == "" && os.Getenv(r.variable()) == "" {
		fmt.Fprintf(c.ErrOrStderr(), "set and export %s before you run it\n", r.variable())
	}
	_, err := fmt.Fprintln(c.OutOrStdout(), e.curlLine(r))
	return err
}

// curlLine returns the command line of curl. A secret is a reference to its variable or
// file.
func (e *endpointCall) curlLine(r apiRequest) string {
	words := []string{"curl", "-sS"}
	add := func(more ...string) {
		for _, word := range more {
			words = append(words, shellQuoted(word))
		}
	}
	if r.method != http.MethodGet {
		add("-X", r.method)
	}
	words = append(words, r.curlWords()...)
	for _, h := range r.headers {
		add("-H", h.name+": "+h.value)
	}
	if e.caFile != "" {
		add("--cacert", e.caFile)
	}
	if r.hasBody {
		switch {
		case e.body == "-":
			add("--data-binary", "@-")
		case strings.HasPrefix(e.body, "@"):
			add("--data-binary", e.body)
		default:
			add("--data-raw", e.body)
		}
	}
	add("--max-time", strconv.FormatFloat(e.timeout.Seconds(), 'f', -1, 64))
	if dotSegment.MatchString(r.target) {
		add("--path-as-is")
	}
	add(r.url())
	return strings.Join(words, " ")
}

// dotSegment matches a path that curl would shorten.
var dotSegment = regexp.MustCompile(`/\.\.?(/|\?|$)`)

// curlWords returns the words of the credentials. Their values are not shown in the list
// of processes.
func (k credentials) curlWords() []string {
	value := `"$` + k.variable() + `"`
	if k.file != "" {
		value = `"$(tr -d '\r\n' < ` + shellQuoted(k.file) + `)"`
	}
	switch {
	case k.isToken:
		return []string{"--oauth2-bearer", value}
	case k.client != "":
		return []string{"-u", shellQuoted(k.client+":") + value}
	}
	return nil
}

var plainWord = regexp.MustCompile(`^[A-Za-z0-9_@%+=:,./-]+$`)

// shellQuoted returns a word as a POSIX shell reads it.
func shellQuoted(word string) string {
	if plainWord.MatchString(word) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
