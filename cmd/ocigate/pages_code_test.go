package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// These tests check what pages show beside console blocks: configurations, JSON, and
// commands in sentences and tables.

// operationsFolder has the pages, and operationsPage the list of them with the configuration.
const (
	operationsFolder = "cmd/operations/"
	operationsPage   = operationsFolder + "README.md"
)

// TestPageConfigurations requires that each YAML block of a page is a configuration
// that can be loaded, after the platform is added where a block has none.
func TestPageConfigurations(t *testing.T) {
	t.Setenv("TOKEN_KEY", strings.Repeat("k", 32))
	t.Setenv("PORTAL_HASH", pageHash(t))
	t.Setenv("PORTAL_NEXT_HASH", pageHash(t))
	folder := t.TempDir()
	password := filepath.Join(folder, "platform")
	writeFile(t, password, "secret\n")
	for page, text := range pages(t) {
		if strings.HasPrefix(page, operationsFolder) && page != operationsPage {
			continue // they change the configuration of operationsPage: TestPageOperations loads the result
		}
		for _, block := range blocks(text, "yaml") {
			block = strings.NewReplacer("/run/secrets/platform", password, pagePlaceholder, pageHash(t)).Replace(block)
			if !strings.Contains(block, "platform:\n") {
				block += "platform:\n  endpoints: [{name: a, address: \"127.0.0.1:2208\"}]\n  user_id: a\n  password: b\n"
			}
			file := filepath.Join(folder, "ocigate.yaml")
			writeFile(t, file, block)
			if _, _, err := execute(t, "", "config", "print", "-c", file); err != nil {
				t.Errorf("%s: %v\n%s", page, err, block)
			}
		}
	}
}

// pagePlaceholder represents the hash of a client's secret in pages.
const pagePlaceholder = "$argon2id$v=19$m=19456,t=2,p=1$…"

func pageHash(t *testing.T) string {
	t.Helper()
	hash, _, err := execute(t, "secret", "hash")
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(hash)
}

func TestPageJSON(t *testing.T) {
	for page, text := range pages(t) {
		for _, block := range blocks(text, "json") {
			if !json.Valid([]byte(block)) {
				t.Errorf("%s: this is not JSON:\n%s", page, block)
			}
		}
	}
}

// TestPageMentions requires that commands in sentences and tables exist: commands of
// ocigate with their flags, targets of the Makefile, packages and tests.
func TestPageMentions(t *testing.T) {
	for page, text := range pages(t) {
		for _, span := range codeSpan.FindAllString(fence.ReplaceAllString(text, ""), -1) {
			words := strings.Fields(strings.Trim(span, "`"))
			if len(words) < 2 {
				continue
			}
			switch strings.TrimPrefix(words[0], "bin/") {
			case "ocigate":
				checkCommandLine(t, page, words[1:])
			case "make":
				checkMakeTarget(t, page, words[1])
			case "go":
				checkGo(t, page, words[1:])
			}
		}
	}
}

// notRunComment is the line before a block of sh, which says why no test runs its commands.
// noneRunComment says it for all such blocks of a page.
var (
	notRunComment  = regexp.MustCompile("(?m)^ *<!-- not run: (.+) -->\n *```sh$")
	noneRunComment = regexp.MustCompile("(?m)^<!-- blocks of sh are not run: (.+) -->$")
)

// shellFence begins a block of sh.
var shellFence = regexp.MustCompile("(?m)^ *```sh$")

// TestPageBlocksThatAreNotRun requires that commands are in console blocks, which are run,
// or in a block of sh after a comment that says why they are not, unless one comment says it
// for the page. A test that the comment
// names must exist, and so must commands of ocigate and their flags. For the pages of
// operations, their README says why.
func TestPageBlocksThatAreNotRun(t *testing.T) {
	for page, text := range pages(t) {
		for _, block := range blocks(text, "sh") {
			for line := range strings.Lines(block) {
				line, _, _ = strings.Cut(line, " #")
				if words := strings.Fields(line); len(words) > 1 && strings.TrimPrefix(words[0], "bin/") == "ocigate" {
					checkCommandLine(t, page, words[1:])
				}
			}
		}
		if strings.HasPrefix(page, operationsFolder) {
			continue
		}
		reasons := notRunComment.FindAllStringSubmatch(text, -1)
		forAll := noneRunComment.FindAllStringSubmatch(text, -1)
		if found := len(shellFence.FindAllString(text, -1)); found != len(reasons) && len(forAll) == 0 {
			t.Errorf("%s: %d blocks of sh, of which %d begin after <!-- not run: REASON -->: make the others console blocks", page, found, len(reasons))
		}
		reasons = append(reasons, forAll...)
		for _, reason := range reasons {
			name := testName.FindString(reason[1])
			if name != "" && !hasTest(t, ".", name) {
				t.Errorf("%s: there is no %s", page, name)
			}
		}
	}
}

var testName = regexp.MustCompile(`\bTest[A-Z]\w*`)

// checkCommandLine requires that the program has a command and its flags.
func checkCommandLine(t *testing.T, page string, words []string) {
	t.Helper()
	root := newRoot()
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	c, rest, err := root.Find(words)
	if err == nil {
		err = c.ParseFlags(rest)
	}
	if err != nil || c == root || c.HasSubCommands() && len(c.Flags().Args()) > 0 {
		t.Errorf("%s: ocigate %s is not a command line: %v", page, strings.Join(words, " "), err)
	}
}

// checkMakeTarget requires that the Makefile has a target.
func checkMakeTarget(t *testing.T, page, target string) {
	t.Helper()
	makefile, err := os.ReadFile(filepath.Join(moduleRoot, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	if !regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(target) + `:.* ## `).Match(makefile) {
		t.Errorf("%s: the Makefile has no target %s with a comment", page, target)
	}
}

// checkGo requires that the packages and tests exist that a go command names.
func checkGo(t *testing.T, page string, words []string) {
	t.Helper()
	folder := ""
	for i, word := range words {
		if strings.HasPrefix(word, "./") && word != "./..." {
			folder = filepath.Join(moduleRoot, filepath.FromSlash(word))
			if info, err := os.Stat(folder); err != nil || !info.IsDir() {
				t.Errorf("%s: there is no package %s", page, word)
			}
		}
		if i > 0 && words[i-1] == "-run" && folder != "" && !hasTest(t, folder, word) {
			t.Errorf("%s: %s has no test %s", page, folder, word)
		}
	}
}

// hasTest reports whether a folder has a test whose name begins like the first part
// of a pattern.
func hasTest(t *testing.T, folder, pattern string) bool {
	t.Helper()
	name, _, _ := strings.Cut(pattern, "/")
	files, err := filepath.Glob(filepath.Join(folder, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "\nfunc "+name) {
			return true
		}
	}
	return false
}
