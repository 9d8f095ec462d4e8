package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// This file is the independent reader of the fuzz test: it parses the bytes of a connection
// by RFC 9112 and returns the requests in them.

// message is one request as the reader of the fuzz test parses it. The reader shares no code
// with net/http or the gateway. If the meaning of a request is unambiguous by RFC 9112, the
// reader is as lenient as net/http, so that it misses no request; if it is ambiguous, the
// reader ends.
type message struct {
	method, target string
	old            bool                // HTTP/1.0
	fields         map[string][]string // by names in lower case
	body           []byte
	last           bool // the bytes after it must not be read as a request
}

// talk holds the requests on one connection as the reader parses them.
type talk struct {
	whole []message // the complete requests, in their order
	half  message   // the incomplete request after them
	end   talkEnd
}

// talkEnd is how a connection continues after the complete requests.
type talkEnd int

const (
	waits   talkEnd = iota // for the rest of a request, or for another one
	refused                // the next bytes are no request: one more response, an error
	closes                 // the last request ends the connection, with any bytes after it
)

// readTalk parses the bytes of one connection.
func readTalk(stream []byte) (t talk) {
	for {
		for len(stream) > 0 && (stream[0] == '\r' || stream[0] == '\n') {
			stream = stream[1:]
		}
		m, rest, err := readMessage(stream)
		if err != nil {
			if t.half = m; errors.Is(err, errRefused) {
				t.end = refused
			}
			return t
		}
		t.whole = append(t.whole, m)
		if m.last {
			t.end = closes
			return t
		}
		stream = rest
	}
}

var (
	errRefused = errors.New("no request")
	errHalf    = errors.New("half a request")
)

func readMessage(stream []byte) (m message, rest []byte, err error) {
	lines, rest, ok := cutHead(stream)
	if !ok {
		return m, nil, errHalf
	}
	var version string
	if m.method, m.target, ok = strings.Cut(lines[0], " "); !ok {
		return m, nil, errRefused
	}
	if m.target, version, ok = strings.Cut(m.target, " "); !ok || len(version) != len("HTTP/1.1") || !strings.HasPrefix(version, "HTTP/1.") {
		return m, nil, errRefused
	}
	m.old = version == "HTTP/1.0"
	if m.fields, ok = readFields(lines[1:]); !ok {
		return m, nil, errRefused
	}
	for _, value := range m.fields["connection"] {
		if strings.Contains(strings.ToLower(value), "close") {
			m.last = true
		}
	}
	return m.readBody(rest)
}

// cutHead cuts the lines of a head from a stream.
func cutHead(stream []byte) (lines []string, rest []byte, ok bool) {
	for {
		line, after, found := bytes.Cut(stream, []byte("\n"))
		if !found {
			return nil, nil, false
		}
		line = bytes.TrimSuffix(line, []byte("\r"))
		if stream = after; len(line) == 0 {
			return lines, stream, len(lines) > 0
		}
		lines = append(lines, string(line))
	}
}

func readFields(lines []string) (map[string][]string, bool) {
	fields := map[string][]string{}
	var name string
	for _, line := range lines {
		if line[0] == ' ' || line[0] == '\t' { // a folded line
			if name == "" {
				return nil, false
			}
			values := fields[name]
			values[len(values)-1] = strings.Trim(values[len(values)-1]+" "+strings.Trim(line, " \t"), " \t")
			continue
		}
		field, value, ok := strings.Cut(line, ":")
		if !ok || field == "" || strings.ContainsFunc(field, func(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune(`()<>@,;:\"/[]?={}`, r) }) {
			return nil, false
		}
		name = strings.ToLower(field)
		fields[name] = append(fields[name], strings.Trim(value, " \t\r"))
	}
	return fields, true
}

// readBody reads the body by the rules of RFC 9112, section 6.
func (m message) readBody(stream []byte) (message, []byte, error) {
	codings, coded := m.fields["transfer-encoding"]
	lengths := m.fields["content-length"]
	if coded && !m.old {
		if len(codings) != 1 || !strings.EqualFold(codings[0], "chunked") {
			return m, nil, errRefused
		}
		m.last = true
		var err error
		m.body, err = readChunks(stream)
		return m, nil, err
	}
	if m.old {
		m.last = true
	}
	if len(lengths) == 0 {
		return m, stream, nil
	}
	n, err := strconv.ParseUint(lengths[0], 10, 63)
	if err != nil || slices.ContainsFunc(lengths, func(l string) bool { return l != lengths[0] }) {
		return m, nil, errRefused
	}
	if uint64(len(stream)) < n {
		return m, nil, errHalf
	}
	m.body = stream[:n]
	return m, stream[n:], nil
}

func readChunks(stream []byte) ([]byte, error) {
	var body []byte
	for {
		line, rest, ok := bytes.Cut(stream, []byte("\r\n"))
		if !ok {
			return nil, errHalf
		}
		size, _, _ := strings.Cut(string(line), ";")
		n, err := strconv.ParseUint(strings.Trim(size, " \t"), 16, 63)
		switch {
		case err != nil:
			return nil, errRefused
		case n == 0:
			if !bytes.HasPrefix(rest, []byte("\r\n")) && !bytes.Contains(rest, []byte("\n\r\n")) && !bytes.Contains(rest, []byte("\n\n")) {
				return nil, errHalf
			}
			return body, nil
		case uint64(len(rest)) < n+2:
			return nil, errHalf
		case string(rest[n:n+2]) != "\r\n":
			return nil, errRefused
		}
		body, stream = append(body, rest[:n]...), rest[n+2:]
	}
}

// fuzzCaller is a listed client with its scope: everything if tenant is empty, and a complete
// tenant if group is empty.
type fuzzCaller struct {
	id, tenant, group string
}

// fuzzCallers have the demonstration's secret.
var fuzzCallers = []fuzzCaller{
	{id: "portal"},
	{"tenant", "ApioSpTest", ""},
	{"group", "ApioSpTest", "ApioGrpTest"},
	{"other", "footenant", ""},
}

func (c fuzzCaller) covers(tenant, group string) bool {
	return (c.tenant == "" || c.tenant == tenant) && (c.group == "" || c.group == group)
}

// caller returns the caller of the message.
func (m message) caller() (fuzzCaller, bool) {
	headers, keys := m.fields["authorization"], m.fields["x-api-key"]
	if len(headers)+len(keys) != 1 {
		return fuzzCaller{}, false
	}
	var credential string
	if len(keys) == 1 {
		credential = strings.Replace(keys[0], ".", ":", 1)
	} else {
		scheme, encoded, _ := strings.Cut(headers[0], " ")
		decoded, err := base64.StdEncoding.DecodeString(strings.TrimLeft(encoded, " "))
		if err != nil || !strings.EqualFold(scheme, "basic") {
			return fuzzCaller{}, false
		}
		credential = string(decoded)
	}
	i := slices.IndexFunc(fuzzCallers, func(c fuzzCaller) bool { return credential == c.id+":"+demoSecret })
	if i < 0 {
		return fuzzCaller{}, false
	}
	return fuzzCallers[i], true
}

var fuzzPath = regexp.MustCompile(`^/api/v1/tenants?/([^/]*)/groups?/([^/]*)/services/immediate_trunking_connectivity/((?:available_)?(numbers|prefixes))(/remove)?/?$`)

// place returns the group that the message's path names, and empty strings if it names none.
func (m message) place() (tenant, group, list string, removal bool, query string) {
	path, query, _ := strings.Cut(m.target, "?")
	if _, after, ok := strings.Cut(path, "://"); ok && !strings.HasPrefix(path, "/") {
		path = after[max(strings.IndexByte(after, '/'), 0):]
	}
	parts := fuzzPath.FindStringSubmatch(path)
	if parts == nil {
		return "", "", "", false, query
	}
	tenant, errT := url.PathUnescape(parts[1])
	group, errG := url.PathUnescape(parts[2])
	if errors.Join(errT, errG) != nil {
		return "", "", "", false, query
	}
	return tenant, group, parts[3], parts[5] != "", query
}

// fuzzWrite is a write that a message requests, or that the platform received.
type fuzzWrite struct {
	assign        bool
	set           bool // entries are the complete list, so that others may be removed
	tenant, group string
	list          string // numbers or prefixes
	entries       string // plus signs and digits, sorted and joined
}

// asked returns the write that a message requests, if its caller may request it.
func (m message) asked() (fuzzWrite, bool) {
	who, known := m.caller()
	tenant, group, list, removal, query := m.place()
	w := fuzzWrite{assign: m.method == "POST" && !removal, set: m.method == "PUT" && !removal, tenant: tenant, group: group, list: list}
	name, value, _ := strings.Cut(query, "=")
	name, _ = url.QueryUnescape(name)
	value, _ = url.QueryUnescape(value)
	switch {
	case !known || who.group != "" || !who.covers(tenant, group) || strings.HasPrefix(list, "available"):
		return w, false
	case m.method != "POST" && (m.method != "DELETE" && m.method != "PUT" || removal):
		return w, false
	case query != "" && (name != "dry_run" || value != "false"):
		return w, false
	}
	for _, field := range []string{"if-match", "if-none-match", "if-unmodified-since", "content-range"} {
		if _, conditional := m.fields[field]; conditional && (!w.set || field != "if-match") { // the condition may be met
			return w, false
		}
	}
	for _, value := range m.fields["prefer"] {
		if strings.Contains(strings.ToLower(value), "dry") {
			return w, false
		}
	}
	for _, value := range m.fields["content-encoding"] {
		if !strings.EqualFold(value, "identity") && strings.Trim(value, ", \t") != "" {
			return w, false
		}
	}
	entries, ok := askedEntries(m.body, list)
	w.entries = entries
	return w, ok && (w.set || entries != "")
}

// allows reports whether a command that the platform received is a step of a write that sets
// a list: the removal of unwanted entries, or the assignment of some of the wanted ones.
func (w fuzzWrite) allows(received fuzzWrite) bool {
	if !w.set || w.tenant != received.tenant || w.group != received.group || w.list != received.list {
		return false
	}
	wanted := strings.Fields(w.entries)
	return !slices.ContainsFunc(strings.Fields(received.entries), func(e string) bool {
		return slices.Contains(wanted, e) != received.assign
	})
}

// askedEntries reads a body that has the documented form and no entry twice.
func askedEntries(body []byte, list string) (string, bool) {
	var lists map[string][]map[string]string
	if json.Unmarshal(body, &lists) != nil || len(lists) != 1 || hasKeyTwice(body) {
		return "", false
	}
	key := map[string]string{"numbers": "minPhoneNumber", "prefixes": "prefix"}[list]
	var entries []string
	listed, ok := lists[list]
	if !ok || listed == nil {
		return "", false
	}
	for _, entry := range listed {
		if _, ok := entry[key]; !ok {
			return "", false
		}
		entries = append(entries, entry[key])
	}
	return canonicalEntries(entries), true
}

func canonicalEntries(entries []string) string {
	plain := make([]string, len(entries))
	for i, e := range entries {
		plain[i] = strings.Map(func(r rune) rune {
			if r != '+' && (r < '0' || r > '9') {
				return -1
			}
			return r
		}, e)
	}
	slices.Sort(plain)
	return strings.Join(plain, " ")
}

// hasKeyTwice reports whether an object of a document has a key twice.
func hasKeyTwice(document []byte) bool {
	decoder := json.NewDecoder(bytes.NewReader(document))
	type level struct {
		keys  map[string]bool // nil for a list
		value bool            // the next token is a value
	}
	var levels []level
	for {
		token, err := decoder.Token()
		if err != nil {
			return false
		}
		top := len(levels) - 1
		if key, ok := token.(string); ok && top >= 0 && levels[top].keys != nil && !levels[top].value {
			if levels[top].keys[key] {
				return true
			}
			levels[top].keys[key], levels[top].value = true, true
			continue
		}
		if top >= 0 {
			levels[top].value = false
		}
		switch token {
		case json.Delim('{'):
			levels = append(levels, level{keys: map[string]bool{}})
		case json.Delim('['):
			levels = append(levels, level{})
		case json.Delim('}'), json.Delim(']'):
			levels = levels[:top]
		}
	}
}
