package main

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// These tests check the pages (all *.md files of the module): links, and in the other
// files pages_*_test.go commands, configurations and tables. A new page needs nothing
// but a link from another page. A new console block is run by TestPageCommands, or
// needs a line in notRun.

// pages returns the text of each page, by its path from the root of the module.
func pages(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(moduleRoot, func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name := entry.Name(); entry.IsDir() && (name == ".git" || name == "bin" || name == "dist") {
			return filepath.SkipDir
		}
		if filepath.Ext(file) != ".md" {
			return nil
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		page, err := filepath.Rel(moduleRoot, file)
		if err != nil {
			return err
		}
		found[filepath.ToSlash(page)] = string(text)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// fence is a code block, with its indentation, its language and its content.
var fence = regexp.MustCompile("(?ms)^( *)```([a-z]*)\n(.*?)^ *```$")

// blocks returns the contents of a page's code blocks in a language, without their
// indentation.
func blocks(text, language string) []string {
	var found []string
	for _, block := range fence.FindAllStringSubmatch(text, -1) {
		if block[2] == language {
			lines := strings.ReplaceAll("\n"+block[3], "\n"+block[1], "\n")
			found = append(found, strings.TrimPrefix(lines, "\n"))
		}
	}
	return found
}

var (
	codeSpan = regexp.MustCompile("`[^`\n]+`")
	link     = regexp.MustCompile(`\]\(([^)\s]*)\)`)
	heading  = regexp.MustCompile(`(?m)^#+ (.*)$`)
	// notInAnchor is what the anchor of a heading does not have of its text.
	notInAnchor = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

// anchors returns the anchors of a page's headings, as GitHub and most other sites
// make them.
func anchors(text string) map[string]bool {
	found := map[string]bool{}
	for _, h := range heading.FindAllStringSubmatch(fence.ReplaceAllString(text, ""), -1) {
		name := strings.ReplaceAll(notInAnchor.ReplaceAllString(strings.ToLower(h[1]), ""), " ", "-")
		anchor := name
		for i := 1; found[anchor]; i++ {
			anchor = name + "-" + strconv.Itoa(i)
		}
		found[anchor] = true
	}
	return found
}

// links returns the targets of a page's links.
func links(text string) []string {
	var found []string
	prose := codeSpan.ReplaceAllString(fence.ReplaceAllString(text, ""), "")
	for _, l := range link.FindAllStringSubmatch(prose, -1) {
		found = append(found, l[1])
	}
	return found
}

// TestPageLinks requires that each link leads to a file or folder of the module, and
// its anchor to a heading. Links to other sites are not followed.
func TestPageLinks(t *testing.T) {
	all := pages(t)
	for page, text := range all {
		for _, target := range links(text) {
			if strings.HasPrefix(target, "https://") {
				continue
			}
			file, anchor, hasAnchor := strings.Cut(target, "#")
			to := page
			if file != "" {
				to = path.Join(path.Dir(page), file)
			}
			if _, err := os.Stat(filepath.Join(moduleRoot, filepath.FromSlash(to))); err != nil || strings.HasPrefix(to, "../") {
				t.Errorf("%s: the link %s leads to %s, which is not there", page, target, to)
				continue
			}
			if hasAnchor && !anchors(all[to])[anchor] {
				t.Errorf("%s: the link %s leads to a heading that %s does not have", page, target, to)
			}
		}
	}
}

// TestPagesAreLinked requires that each page can be reached by links from the
// README.
func TestPagesAreLinked(t *testing.T) {
	all := pages(t)
	reached := map[string]bool{}
	var reach func(page string)
	reach = func(page string) {
		if _, isPage := all[page]; !isPage || reached[page] {
			return
		}
		reached[page] = true
		for _, target := range links(all[page]) {
			file, _, _ := strings.Cut(target, "#")
			reach(path.Join(path.Dir(page), file))
		}
	}
	reach("README.md")
	for page := range all {
		if !reached[page] {
			t.Errorf("no link leads to %s", page)
		}
	}
}

// maxFrontLines is the longest front page that can be read at a glance.
const maxFrontLines = 150

func TestPageInFrontIsShort(t *testing.T) {
	if lines := strings.Count(pages(t)["README.md"], "\n"); lines > maxFrontLines {
		t.Errorf("README.md has %d lines, want at most %d: move something to another page", lines, maxFrontLines)
	}
}

// TestPageAnchors compares with what GitHub makes of such headings.
func TestPageAnchors(t *testing.T) {
	text := "# The platform's account\n## A list: `ListQuery`\n```\n# no heading\n```\n## PostgreSQL, again\n## Twice\n## Twice\n"
	got := anchors(text)
	for _, want := range []string{"the-platforms-account", "a-list-listquery", "postgresql-again", "twice", "twice-1"} {
		if !got[want] {
			t.Errorf("no %s in %v", want, got)
		}
	}
	if len(got) != 5 {
		t.Errorf("got %v", got)
	}
}
