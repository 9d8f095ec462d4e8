//go:build linux

package main

import (
	"fmt"
	"path"
	"regexp"
	"strings"
	"testing"
)

// These tests try the pages of cmd/operations step by step: each in a folder of its own, with
// the configuration of the folder's README, a simulated platform with two endpoints and the
// program as a separate process. The blocks of a page are tried in their order:
//
//   - console: each command is run, and must print what the page shows below it. One that
//     changes nothing is repeated until it does. A command that is to fail shows its error.
//   - log: each line must be in the log of the gateway, after the lines of the block before.
//   - metrics: all lines must be in the metrics of the gateway at the same time.
//   - yaml: is added to the configuration, after a comment that names its file.
//   - sh: is not run, because it needs what a test does not have. Commands and flags of
//     ocigate must exist.
//
// "…" is any text in all of them. What happens to the platform, the disk or the gateway
// between two blocks is a comment of the page, such as <!-- try: platform down -->;
// directives lists them. A new page needs nothing but a line in the table of the README.

func TestPageOperations(t *testing.T) {
	if testing.Short() {
		t.Skip("it runs gateways as processes, and waits for them")
	}
	t.Parallel() // it waits most of the time
	needsCurl(t)
	all := pages(t)
	configuration := blocks(all[operationsPage], "yaml")[0]
	for page, text := range all {
		if !strings.HasPrefix(page, operationsFolder) || page == operationsPage {
			continue
		}
		t.Run(strings.TrimSuffix(path.Base(page), ".md"), func(t *testing.T) {
			t.Parallel() // it waits most of the time
			s := newSite(t, configuration)
			for _, step := range pageSteps(text) {
				s.try(step)
			}
		})
	}
}

// TestPageOperationsIsComplete requires that the table of the README has every page, that
// each page begins with what the operator sees, and that it is short.
func TestPageOperationsIsComplete(t *testing.T) {
	all := pages(t)
	for page, text := range all {
		if !strings.HasPrefix(page, operationsFolder) || page == operationsPage {
			continue
		}
		if !strings.Contains(all[operationsPage], "]("+path.Base(page)+")") {
			t.Errorf("%s does not lead to %s", operationsPage, page)
		}
		if page == runbookPage {
			continue // TestAlertsHaveRunbooks checks its sections
		}
		var sections []string
		for _, h := range heading.FindAllStringSubmatch(fence.ReplaceAllString(text, ""), -1) {
			sections = append(sections, h[1])
		}
		for i, want := range map[int]string{1: "What you see", 2: "What it means", 3: "What to do", len(sections) - 1: "How you know that it is over"} {
			if i >= len(sections) || i < 0 || sections[i] != want {
				t.Errorf("%s has the headings %q, want %q as number %d", page, sections, want, i)
			}
		}
		if lines := strings.Count(text, "\n") - 2*strings.Count(text, "<!-- try: "); lines > maxOperationsLines {
			t.Errorf("%s has %d lines, want at most %d", page, lines, maxOperationsLines)
		}
	}
}

// maxOperationsLines is the longest page that can be followed while something is wrong. A
// comment and the line after it do not count.
const maxOperationsLines = 120

// pageStep is a block of a page, or a comment that says what happens. Its kind is the
// language of the block, or "try".
type pageStep struct{ kind, content string }

func (s pageStep) String() string { return fmt.Sprintf("%s %.60q", s.kind, s.content) }

// pageStepText is a comment or a block.
var pageStepText = regexp.MustCompile("(?ms)^ *<!-- try: (.*?) -->|^( *)```([a-z]*)\n(.*?)^ *```$")

// pageSteps returns what a page has to try, in order.
func pageSteps(text string) []pageStep {
	var steps []pageStep
	for _, found := range pageStepText.FindAllStringSubmatch(text, -1) {
		if found[1] != "" {
			steps = append(steps, pageStep{"try", found[1]})
			continue
		}
		content := strings.ReplaceAll("\n"+found[4], "\n"+found[2], "\n")
		steps = append(steps, pageStep{found[3], strings.TrimPrefix(content, "\n")})
	}
	return steps
}

// try tries one step of a page.
func (s *site) try(step pageStep) {
	s.Helper()
	if s.configure != "" {
		s.merge(s.configure, step)
		return
	}
	switch step.kind {
	case "try":
		s.direct(step.content)
	case "console":
		for _, block := range consoleBlocks("```console\n" + step.content + "```") {
			for _, e := range block {
				s.command(e)
			}
		}
	case "log":
		s.wantLog(step.content)
	case "metrics":
		s.wantMetrics(step.content)
	case "yaml":
		s.Fatalf("a block of YAML needs the comment configure next: %v", step)
	case "sh":
		for line := range strings.Lines(step.content) {
			if words := strings.Fields(line); len(words) > 1 && words[0] == "ocigate" {
				checkCommandLine(s.T, "an operations page", words[1:])
			}
		}
	}
}

// anyText returns a pattern for a text in which "…" is any text.
func anyText(text string) string {
	return strings.ReplaceAll(regexp.QuoteMeta(strings.TrimSpace(text)), "…", ".*")
}

// actingCommand is a command that changes something, so it is run once. The others are
// repeated until they print what the page shows.
var actingCommand = regexp.MustCompile(`^(?:ocigate (?:reload|operations release|tokens revoke|call itc_\w+_(?:assign|remove|set))|openssl req|cp|mv|mkdir|rm|echo|printf|psql|pg_dump) | -X `)

// command runs a command, and compares what it prints with what the page shows.
func (s *site) command(e example) {
	s.Helper()
	line := s.places(strings.TrimSpace(e.command))
	if name := assignment.FindStringSubmatch(line); name != nil {
		value, err := s.run(line + "\nprintf %s \"$" + name[1] + "\"")
		if err != nil || value == "" {
			s.Errorf("%s: %v, %q", line, err, value)
		}
		s.variables = append(s.variables, name[1]+"="+value)
		return
	}
	want := regexp.MustCompile(`(?s)^` + anyText(s.places(e.printed)) + `$`)
	if e.printed == "" {
		want = regexp.MustCompile("")
	}
	var got string
	var err error
	tried := func() bool {
		got, err = s.both(line)
		return want.MatchString(got) && (err == nil || e.printed != "")
	}
	if tried() || !actingCommand.MatchString(line) && s.until(tried) {
		return
	}
	s.Fatalf("%s\nprints %s (%v)\nnot    %s\n%s", line, got, err, e.printed, s.ends())
}

// wantLog requires lines of the gateway's log, in any order.
func (s *site) wantLog(content string) {
	s.Helper()
	missing := ""
	if !s.until(func() bool {
		log := s.log()
		last := s.seenLog
		for line := range strings.Lines(content) {
			at := regexp.MustCompile(`(?m)^` + anyText(line) + `$`).FindStringIndex(log[min(s.seenLog, len(log)):])
			if at == nil {
				missing = line
				return false
			}
			last = max(last, s.seenLog+at[1])
		}
		s.seenLog = last
		return true
	}) {
		s.Fatalf("the log does not have %s\n%s", missing, s.ends())
	}
}

// wantMetrics requires lines of the gateway's metrics.
func (s *site) wantMetrics(content string) {
	s.Helper()
	missing := ""
	if !s.until(func() bool {
		metrics, err := s.run(s.places("curl -s http://127.0.0.1:9090/metrics"))
		if err != nil {
			s.Fatal(err)
		}
		for line := range strings.Lines(content) {
			if !regexp.MustCompile(`(?m)^` + anyText(line) + `$`).MatchString(metrics) {
				missing = line
				return false
			}
		}
		return true
	}) {
		s.Fatalf("the metrics do not have %s\n%s", missing, s.ends())
	}
}
