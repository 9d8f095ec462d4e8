package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// document reads the file into nested maps of values that have the types of
// the structures. It reports wrong values and leaves them out.
func (l *loader) document(raw []byte) map[string]any {
	raw = bytes.TrimPrefix(raw, []byte(string(byteOrderMark))) // YAML permits one, and some editors write it
	if problem, good := checkText(raw); !good {
		l.report(problem)
		l.bad[""] = true
		return nil
	}
	first, extra, err := documents(raw)
	switch {
	case err != nil:
		l.report(Problem{Line: brokenLine(raw), Reason: "is not YAML" + detailOf(err)})
		l.bad[""] = true
		return nil
	case extra != nil:
		l.report(Problem{Line: extra.Line, Reason: "must contain one YAML document, not several"})
	}
	if first == nil {
		return nil // an empty file sets nothing
	}
	l.prune(first.Content[0])
	file, _ := l.value("", reflect.TypeFor[Config](), first.Content[0])
	values, _ := file.(map[string]any)
	return values
}

// documents returns the first two documents of a file. They are nil if the file has
// fewer.
func documents(raw []byte) (first, second *yaml.Node, err error) {
	decoder := yaml.NewDecoder(bytes.NewReader(raw))
	for _, next := range []**yaml.Node{&first, &second} {
		var n yaml.Node
		switch err := decoder.Decode(&n); {
		case errors.Is(err, io.EOF):
			return first, nil, nil
		case err != nil:
			return nil, nil, err
		}
		*next = &n
	}
	return first, second, nil
}

// detailOf returns the parser's message if it begins with a line number. The
// parser's other messages can quote the file, and with it a password that begins
// with an asterisk and is read as an alias; a hint replaces them.
func detailOf(err error) string {
	var line int
	if _, scanErr := fmt.Sscanf(err.Error(), "yaml: line %d:", &line); scanErr != nil {
		return " (a text that begins with one of * & ! @ % or a backtick must be in quotes)"
	}
	_, words, _ := strings.Cut(strings.TrimPrefix(err.Error(), "yaml: "), ":")
	return ":" + words
}

// brokenLine returns the line after the longest head of the file that is valid
// YAML. The parser itself reports only the start of the section that it could not
// finish. For files that are too long for this search, brokenLine returns 0.
func brokenLine(raw []byte) int {
	const mostBytes, mostLines = 1 << 15, 1000
	line := bytes.Count(raw, []byte{'\n'}) + 1
	if len(raw) > mostBytes || line > mostLines {
		return 0
	}
	for head := raw; line > 1; line-- {
		head = head[:bytes.LastIndexByte(head, '\n')]
		if _, _, err := documents(head); err == nil {
			break
		}
	}
	return line
}

// value reads a node as a value of a type. It returns false if the node has no
// acceptable value.
func (l *loader) value(path string, t reflect.Type, n *yaml.Node) (any, bool) {
	switch {
	case n.Kind == yaml.AliasNode || n.Anchor != "":
		l.refuse(path, "must not use anchors and aliases; a text that begins with & or * must be in quotes")
		return nil, false
	case isSection(t):
		return l.section(path, t, n)
	case n.ShortTag() == tagNull:
		l.refuse(path, "has no value")
		return nil, false
	case t.Kind() == reflect.Slice:
		return l.list(path, t.Elem(), n)
	case t == secretType && n.Kind == yaml.MappingNode:
		return l.reference(path, n)
	}
	return l.scalar(path, t, n)
}

// section reads a mapping. A key without a value is an empty section: that
// remains of a section when all of its keys are commented out.
func (l *loader) section(path string, t reflect.Type, n *yaml.Node) (any, bool) {
	if n.ShortTag() == tagNull {
		return map[string]any{}, true
	}
	if n.Kind != yaml.MappingNode {
		l.refuse(path, "must be a section of keys, not "+nounOf(n))
		return nil, false
	}
	keys := fields(t)
	values := map[string]any{}
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, child := n.Content[i], n.Content[i+1]
		at := join(path, printable(key.Value))
		k := slices.IndexFunc(keys, func(f field) bool { return f.key == key.Value })
		switch {
		case k < 0:
			l.unknown(path, at, n, keys, key)
		case seen[key.Value] > 0:
			l.report(Problem{Path: at, Line: key.Line, Reason: fmt.Sprintf("is given twice, first on line %d", seen[key.Value])})
			l.bad[at] = true
		default:
			seen[key.Value] = key.Line
			l.lines[at] = key.Line
			if value, ok := l.value(at, keys[k].typ, child); ok {
				values[key.Value] = value
			}
		}
	}
	return values, true
}

// list reads a sequence.
func (l *loader) list(path string, t reflect.Type, n *yaml.Node) (any, bool) {
	if n.Kind != yaml.SequenceNode {
		l.refuse(path, "must be a list, not "+nounOf(n))
		return nil, false
	}
	entries := make([]any, 0, len(n.Content))
	for i, child := range n.Content {
		at := entry(path, i)
		l.lines[at] = child.Line
		value, ok := l.value(at, t, child)
		if isSection(t) {
			// A wrong entry becomes an empty one, so that the others keep
			// their indexes.
			given, _ := value.(map[string]any)
			entries = append(entries, merge(tree(defaultEntry(t)), given, nil).AllSettings())
		} else if ok {
			entries = append(entries, value)
		}
	}
	return entries, true
}

// scalar reads a single value that is not a section or a list.
func (l *loader) scalar(path string, t reflect.Type, n *yaml.Node) (any, bool) {
	lf, _ := leafOf(t)
	switch {
	case n.Kind == yaml.ScalarNode && slices.Contains(lf.tags, n.ShortTag()):
		if t == secretType {
			if err := checkInlineSecret(n.Value); err != nil {
				l.refuse(path, err.Error())
				return nil, false
			}
		}
		return l.scalarText(path, t, n.Value)
	case n.Kind == yaml.ScalarNode && lf.other != "":
		l.refuse(path, fmt.Sprintf(lf.other, nounOf(n)))
	default:
		l.refuse(path, "must be "+lf.noun+", not "+nounOf(n))
	}
	return nil, false
}

// scalarText reads a value from its text in the file or in a variable.
func (l *loader) scalarText(path string, t reflect.Type, text string) (any, bool) {
	lf, _ := leafOf(t)
	value, ok := lf.parse(text)
	if ok {
		return value, true
	}
	reason := lf.refused
	if reason == "" {
		reason = "must be " + lf.noun + ", not " + quoted(text)
	}
	l.refuse(path, reason)
	return nil, false
}

// secretForms are the forms of a secret in the file.
const secretForms = "a string, {env: NAME}, {file: NAME} or {credential: NAME}" //nolint:gosec // the forms, not a secret

// reference reads a secret that is given as {env: NAME}, {file: NAME} or
// {credential: NAME}.
func (l *loader) reference(path string, n *yaml.Node) (any, bool) {
	if len(n.Content) != 2 || n.Content[1].ShortTag() != tagString || n.Content[1].Value == "" {
		l.refuse(path, "must be "+secretForms)
		return nil, false
	}
	kind, name := n.Content[0].Value, n.Content[1].Value
	if _, ok := l.environ[variableOf(path)]; ok {
		l.named[name] = true // the key's own variable wins, so this one need not be set
		return nil, false
	}
	text, file, err := l.fetch(kind, name)
	if err != nil {
		l.refuse(path, err.Error())
		return nil, false
	}
	value, ok := l.scalarText(path, secretType, text)
	if secret, is := value.(Secret); is && file != "" {
		secret.file = &file
		return secret, ok
	}
	return value, ok
}

// fetch returns the secret in the variable (kind env), file (kind file) or credential
// (kind credential) of that name, and the file that it was read from, if any.
func (l *loader) fetch(kind, name string) (text, file string, err error) {
	switch kind {
	case "env":
		text, err = l.variable(name)
		return text, "", err
	case "file":
		text, err = readSecret(name, l.readFile)
		return text, name, err
	case "credential":
		if file, err = l.credential(name); err != nil {
			return "", "", err
		}
		if text, err = readSecret(file, l.readFile); err != nil {
			err = fmt.Errorf("the credential %s: %w", printable(name), err)
		}
		return text, file, err
	}
	return "", "", errors.New("must be " + secretForms)
}

// variable returns the secret in an environment variable.
func (l *loader) variable(name string) (string, error) {
	l.named[name] = true
	text, ok := l.environ[name]
	if !ok {
		return "", fmt.Errorf("needs the environment variable %s, which is not set", printable(name))
	}
	if err := CheckSecret(text); err != nil {
		return "", fmt.Errorf("the environment variable %s %w", printable(name), err)
	}
	return text, nil
}

// credentialsVariable is the environment variable in which the service manager passes
// the folder with the credentials of a service: see systemd.exec(5), CREDENTIALS.
const credentialsVariable = "CREDENTIALS_DIRECTORY"

// credential returns the name of the file of a credential of the service.
func (l *loader) credential(name string) (string, error) {
	if name != filepath.Base(name) || name == "." || name == ".." || name == string(filepath.Separator) {
		return "", fmt.Errorf("must name a credential, which is the name of a file without its folder, not %s", printable(name))
	}
	folder := l.environ[credentialsVariable]
	if folder == "" {
		return "", fmt.Errorf("needs the credential %s, but %s is not set: it is set in a service of systemd that has LoadCredential or the like", printable(name), credentialsVariable)
	}
	return filepath.Join(folder, name), nil
}

// nounOf returns the name of a node's type for messages.
func nounOf(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a section of keys"
	case yaml.SequenceNode:
		return "a list"
	}
	noun, ok := map[string]string{
		tagString: "a string", tagInt: "a number", tagFloat: "a number", tagBool: "a boolean", tagTime: "a date", tagNull: "nothing",
	}[n.ShortTag()]
	if !ok {
		return "a value with a YAML tag"
	}
	return noun
}

// plainText matches names that need no quotes in messages.
var plainText = regexp.MustCompile(`\A[A-Za-z0-9_./-]{1,80}\z`)

// printable returns a name from the file in a form for one line of a message.
func printable(name string) string {
	if plainText.MatchString(name) {
		return name
	}
	return quoted(name)
}

// quoted returns a text from the file in quotes, truncated if it is long.
func quoted(text string) string {
	const longest = 80
	if runes := []rune(text); len(runes) > longest {
		return strconv.Quote(string(runes[:longest])) + "…"
	}
	return strconv.Quote(text)
}
