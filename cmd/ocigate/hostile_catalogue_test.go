package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// This file reads the catalogue of hostile requests in testdata/hostile/requests.

// hostileFolder is the catalogue of hostile requests. Its README describes the form of the
// files, and how to add a request.
const hostileFolder = "../../testdata/hostile/requests"

// hostileCase is one entry of the catalogue: the bytes of one connection, and the expected
// responses.
type hostileCase struct {
	file, name string
	sent       []piece
	answers    []wantedAnswer
	closed     bool // the connection is closed after the last response
	commands   counted
}

// piece is sent in one write. After it, the test waits for a number of final responses.
type piece struct {
	bytes string
	after int  // total number of responses before the next piece
	end   bool // the test closes its side of the connection after the piece
}

// wantedAnswer is one expected response, in their order.
type wantedAnswer struct {
	head   bool // the response to a HEAD, without a body
	status int
	// error is the name of the API's error, answeredWell for a successful response, or
	// ofTheServer for one of net/http itself, which is a line of text.
	error string
	text  string // a part of the body
}

const (
	answeredWell = "-"
	ofTheServer  = "plain"
)

// counted holds the numbers of commands that reach the platform because of a request, by their
// kinds: writes, reads, and those of a caller's login.
type counted struct{ writes, reads, logins int }

func (c counted) String() string {
	return fmt.Sprintf("%d writes, %d reads, %d logins", c.writes, c.reads, c.logins)
}

// hostileCases reads the complete catalogue.
func hostileCases(t testing.TB) []hostileCase {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(hostileFolder, "*.txt"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no files in %s: %v", hostileFolder, err)
	}
	var all []hostileCase
	seen := map[string]bool{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, entry := range strings.Split("\n"+string(text), "\n== ")[1:] {
			c, err := parseHostileCase(strings.TrimSuffix(filepath.Base(file), ".txt"), entry)
			if err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			if seen[c.name] {
				t.Fatalf("%s: %q is given more than once", file, c.name)
			}
			seen[c.name] = true
			all = append(all, c)
		}
	}
	return all
}

func parseHostileCase(file, entry string) (hostileCase, error) {
	name, rest, _ := strings.Cut(entry, "\n")
	c := hostileCase{file: file, name: name}
	fail := func(line string) (hostileCase, error) { return c, fmt.Errorf("%q: cannot read %q", name, line) }
	lines := strings.Split(rest, "\n")
	var sent strings.Builder
	after, ended := 0, false
	flush := func(end bool) {
		if sent.Len() > 0 || end {
			c.sent = append(c.sent, piece{sent.String(), after, end})
			sent.Reset()
		}
	}
	for i, line := range lines {
		sign, text, _ := strings.Cut(line, " ")
		switch {
		case sign == "" || sign == "#":
		case sign == ">" || sign == "|":
			bytes, err := hostileBytes(text, lines[i+1:])
			if err != nil {
				return fail(line)
			}
			if sent.WriteString(bytes); sign == ">" {
				sent.WriteString("\r\n")
			}
		case line == "% answer":
			after++
			flush(false)
		case line == "% end":
			flush(true)
		case sign == "<":
			answer, err := parseWantedAnswer(text)
			if err != nil {
				return fail(line)
			}
			c.answers = append(c.answers, answer)
		case line == "closed" || line == "open":
			c.closed, ended = line == "closed", true
		case sign == "platform":
			if _, err := fmt.Sscanf(text, "%d writes, %d reads, %d logins", &c.commands.writes, &c.commands.reads, &c.commands.logins); err != nil {
				return fail(line)
			}
		default:
			return fail(line)
		}
	}
	flush(false)
	if !ended || len(c.sent) == 0 {
		return fail("closed or open")
	}
	return c, nil
}

func parseWantedAnswer(text string) (wantedAnswer, error) {
	var a wantedAnswer
	text, a.head = strings.CutPrefix(text, "HEAD ")
	status, rest, _ := strings.Cut(text, " ")
	var err error
	a.status, err = strconv.Atoi(status)
	a.error, a.text, _ = strings.Cut(rest, " ")
	return a, err
}

// hostileMacros are placeholders for texts that many entries have in common.
var hostileMacros = map[string]string{
	"numbers":     "/api/v1" + itc("ApioSpTest", "ApioGrpTest", "numbers"),
	"prefixes":    "/api/v1" + itc("ApioSpTest", "ApioGrpTest", "prefixes"),
	"available":   "/api/v1" + itc("ApioSpTest", "ApioGrpTest", "available_numbers"),
	"foreign":     "/api/v1" + itc("footenant", "foogroup", "numbers"),
	"portal":      basicOf("portal", demoSecret),
	"tenant":      basicOf("tenant", demoSecret),
	"group":       basicOf("group", demoSecret),
	"wrong":       basicOf("tenant", "wrong"),
	"free":        oneStart,
	"other-free":  `{"numbers":[{"minPhoneNumber":"+3225127000"}]}`,
	"own":         `{"numbers":[{"minPhoneNumber":"+3226127007"}]}`,
	"wanted":      wantedRanges,
	"free-prefix": `{"prefixes":[{"prefix":"+32-03"}]}`,
	"credentials": `{"username":"groupadmin","password":"groupadmin-demo"}`,
}

var (
	hostileMacro  = regexp.MustCompile(`\{[a-z-]+(:[0-9]+)?\}`)
	hostileEscape = regexp.MustCompile(`\\(x[0-9a-fA-F]{2}|.)`)
)

// hostileBytes returns the text of a line with its macros and escapes expanded. following are
// the lines after it.
func hostileBytes(text string, following []string) (string, error) {
	var failed error
	text = hostileMacro.ReplaceAllStringFunc(text, func(macro string) string {
		name, number, _ := strings.Cut(strings.Trim(macro, "{}"), ":")
		value, ok := hostileMacros[name]
		switch {
		case ok:
		case name == "fill":
			n, err := strconv.Atoi(number)
			value, failed = strings.Repeat("x", n), err
		case name == "length" || name == "size":
			body, err := bodyBelow(following, name == "size")
			failed = err
			if value = strconv.Itoa(len(body)); name == "size" {
				value = strconv.FormatInt(int64(len(body)), 16)
			}
		default:
			failed = fmt.Errorf("unknown macro %s", macro)
		}
		return value
	})
	return hostileEscape.ReplaceAllStringFunc(text, func(escape string) string {
		if plain, ok := map[string]string{`\r`: "\r", `\n`: "\n", `\t`: "\t", `\0`: "\x00", `\\`: `\`, `\s`: " "}[escape]; ok {
			return plain
		}
		n, err := strconv.ParseUint(strings.TrimPrefix(escape, `\x`), 16, 8)
		if err != nil {
			failed = fmt.Errorf("unknown escape %s", escape)
		}
		return string([]byte{byte(n)})
	}), failed
}

// bodyBelow returns the bytes of the next lines up to an end. For the size of a chunk, it is
// the next line.
func bodyBelow(following []string, chunk bool) (string, error) {
	var body strings.Builder
	for i, line := range following {
		sign, text, _ := strings.Cut(line, " ")
		if sign != "|" && !chunk {
			if body.Len() > 0 {
				break
			}
			continue
		}
		bytes, err := hostileBytes(text, following[i+1:])
		if err != nil {
			return "", err
		}
		if body.WriteString(bytes); chunk {
			break
		}
	}
	return body.String(), nil
}
