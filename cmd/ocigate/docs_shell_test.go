package main

import (
	"html"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
)

// These tests run the commands of the pages under /docs/ in a shell, as a reader copies
// them.

var (
	copied = regexp.MustCompile(`(?s)<pre tabindex="0" data-copy><code>(.*?)</code></pre>`)
	markup = regexp.MustCompile(`<[^>]*>`)
)

// commandsOf returns the commands of a page that the demonstration serves.
func commandsOf(t *testing.T, url string) []string {
	t.Helper()
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	var commands []string
	for _, block := range copied.FindAllStringSubmatch(string(text), -1) {
		commands = append(commands, html.UnescapeString(markup.ReplaceAllString(block[1], "")))
	}
	return commands
}

// TestDocsGettingStarted runs the commands of the first page for a reader, one after the
// other in one shell.
func TestDocsGettingStarted(t *testing.T) {
	t.Parallel()
	needsCurl(t)
	inDemo(t, demo{}, func(t *testing.T, api string) {
		commands := commandsOf(t, "http://"+api+"/docs/getting-started/")
		const end = "\n--- end of a command ---\n"
		outputs := strings.Split(shell(t, strings.Join(commands, "\nprintf '"+strings.ReplaceAll(end, "\n", `\n`)+"'\n")), end)
		want := []string{
			"",                                       // the variables
			".",                                      // the token, which has dots
			`"minPhoneNumber":"+3226127000"`,         // the ranges of the group
			`"minPhoneNumber":"+3225126999"`,         // a free range
			"",                                       // its choice
			`"dry_run":true`,                         // what would change
			"HTTP/1.1 201 Created",                   // its assignment
			`"state":"done"`,                         // what happened
			"{}",                                     // its removal
			`"type":"/docs/errors/NOT_AVAILABLE_FOR`, // a refusal
		}
		if len(outputs) != len(want) {
			t.Fatalf("%d commands, want %d:\n%s", len(outputs), len(want), strings.Join(commands, "\n\n"))
		}
		for i, text := range want {
			if !strings.Contains(outputs[i], text) {
				t.Errorf("%s\nprints\n%s\nwant %s", commands[i], outputs[i], text)
			}
		}
	})
}

// TestDocsOtherCommands runs the commands of the other pages that are complete in
// themselves.
func TestDocsOtherCommands(t *testing.T) {
	t.Parallel()
	needsCurl(t)
	inDemo(t, demo{}, func(t *testing.T, api string) {
		for _, page := range []struct {
			path string
			want []string // parts of the outputs of the first commands
		}{
			{"", []string{`"route":"itc_numbers_assign"`}},
			{"login/", []string{`"access_token"`}},
			{"lists/", []string{"", "X-Total-Count: 5"}},
			{"idempotency/", []string{"", "HTTP/1.1 201 Created"}},
			{"operations/", []string{"-", `"state":"done"`}}, // the write of the page before
			{"writes/", []string{"-", `"outcome":"done"`}},
		} {
			commands := commandsOf(t, "http://"+api+"/docs/"+page.path)
			for i, text := range page.want {
				if i >= len(commands) {
					t.Fatalf("%s has %d commands", page.path, len(commands))
				}
				line := strings.Join(commands[:i+1], "\n")
				if got := shell(t, line); !strings.Contains(got, text) {
					t.Errorf("%s\nprints\n%s\nwant %s", line, got, text)
				}
			}
		}
	})
}
