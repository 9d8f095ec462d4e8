package config

import (
	"reflect"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// unknown reports a key that the section does not have. If it is probably a
// misspelled key that is not given, no problem of that other key is reported.
func (l *loader) unknown(path, at string, section *yaml.Node, keys []field, key *yaml.Node) {
	l.lines[at] = key.Line
	reason, meant := suggestion(path, key.Value, keys)
	if reason == "" && mayBeSecret(section, keys, key) {
		l.report(Problem{Path: path, Line: key.Line, Reason: "contains a text that is not a key (and is not shown, since it may belong to a secret); a text with a comma, a colon or a # must be in quotes"})
		l.bad[at] = true
		return
	}
	l.refuse(at, "is not a key"+reason)
	if meant != "" && !given(section, meant) {
		l.bad[join(path, meant)] = true
	}
}

// keyText matches texts that could be a key of some version of the configuration.
var keyText = regexp.MustCompile(`\A[A-Za-z][A-Za-z0-9_.-]{0,63}\z`)

// mayBeSecret reports whether an unknown key may be a part of a secret: because it does not
// look like a key, or because it follows a secret in braces, where YAML ends a text without
// quotes at a comma: {password: a,b}.
func mayBeSecret(section *yaml.Node, keys []field, key *yaml.Node) bool {
	if !keyText.MatchString(key.Value) {
		return true
	}
	if section.Style&yaml.FlowStyle == 0 {
		return false
	}
	for i := 0; i+1 < len(section.Content) && section.Content[i] != key; i += 2 {
		if slices.ContainsFunc(keys, func(f field) bool { return f.key == section.Content[i].Value && f.typ == secretType }) {
			return true
		}
	}
	return false
}

// suggestion returns the end of the message about an unknown key of the section at
// a path, and the key of the section that was probably meant, if it is one.
func suggestion(path, key string, keys []field) (reason, meant string) {
	var here []string
	for _, f := range keys {
		here = append(here, f.key)
	}
	if i := slices.IndexFunc(here, func(k string) bool { return folded(k) == folded(key) }); i >= 0 {
		return "; write " + here[i], here[i]
	}
	if nested := asSections(path, key); nested != "" {
		return "; write each part of it as a separate section: " + nested, ""
	}
	if homes := sectionsWith(key); len(homes) == 1 || len(homes) == 2 {
		return " here; it belongs under " + strings.Join(homes, " or "), ""
	}
	meant = Nearest(key, here)
	if meant == "" {
		return "", ""
	}
	return "; did you mean " + meant + "?", meant
}

// asSections returns a key that contains dots, written as sections, or "" if the
// configuration has no such key.
func asSections(path, key string) string {
	parts := strings.Split(key, ".")
	if len(parts) == 1 {
		return ""
	}
	for _, at := range []string{join(path, key), key} {
		if slices.ContainsFunc(allKeys(), func(k string) bool { return k == at }) {
			last := len(parts) - 1
			return strings.Join(parts[:last], ": {") + ": {" + parts[last] + ": …" + strings.Repeat("}", last)
		}
	}
	return ""
}

// sectionsWith returns the sections that have a key of that name, without the top
// level.
func sectionsWith(key string) []string {
	var homes []string
	for _, path := range allKeys() {
		if section, found := strings.CutSuffix(path, "."+key); found {
			homes = append(homes, section)
		}
	}
	return homes
}

// allKeys returns the paths of all keys and sections, with "[]" as the index of a
// list.
func allKeys() []string {
	var paths []string
	for _, s := range settings("", reflect.ValueOf(Default())) {
		for at := s.path; at != "" && !slices.Contains(paths, at); at = parent(at) {
			paths = append(paths, at)
		}
	}
	return paths
}

// given reports whether a mapping contains a key.
func given(section *yaml.Node, key string) bool {
	for i := 0; i+1 < len(section.Content); i += 2 {
		if section.Content[i].Value == key {
			return true
		}
	}
	return false
}

// unusedReason returns the reason why a variable of our prefix has no effect.
func unusedReason(name string) string {
	var variables []string
	for _, s := range settings("", reflect.ValueOf(Default())) {
		if v := s.variable(); v != "" {
			variables = append(variables, strings.TrimPrefix(v, variablePrefix))
			continue
		}
		list := variableOf(s.path)
		if list != "" && (name == list || strings.HasPrefix(name, list+"_")) {
			return "belongs to no key: " + s.path + " is a list; lists and the keys of their entries have no variables"
		}
	}
	// The common prefix would make all names look similar.
	if meant := Nearest(strings.TrimPrefix(name, variablePrefix), variables); meant != "" {
		return "belongs to no key; did you mean " + variablePrefix + meant + "?"
	}
	return "belongs to no key (lists and the keys of their entries have no variables)"
}
