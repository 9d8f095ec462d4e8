package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// journalKey is the key of the journal's section.
const journalKey = "journal"

// LoadJournal reads the journal's section of the configuration file at path, with
// environ over it, as [Load] does. Of the other sections it checks only the names:
// it reads neither their keys nor their secrets nor the environment variables of
// their keys. An operator who inspects the journal therefore needs none of the
// gateway's secrets except the database's address.
func LoadJournal(path string, environ []string) (Journal, error) {
	raw, err := readFile(path)
	if err != nil {
		return Journal{}, fmt.Errorf("config: %w", err)
	}
	return parseJournal(path, raw, environ, readFile)
}

func parseJournal(name string, raw []byte, environ []string, readFile func(string) ([]byte, error)) (Journal, error) {
	l := newLoader(name, environ, readFile)
	c, err := l.oneSection(journalKey, raw)
	if err != nil {
		return Journal{}, err
	}
	l.validateSection(journalKey, reflect.ValueOf(c.Journal))
	l.validateJournal(c.Journal)
	return c.Journal, l.err()
}

// oneSection reads one section of a file, without validating it.
func (l *loader) oneSection(key string, raw []byte) (*Config, error) {
	l.only = key
	file := l.document(raw)
	overrides := l.overrides()
	c := new(Config)
	if err := merge(tree(reflect.ValueOf(Default())), file, overrides).UnmarshalExact(c, exactly); err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	return c, nil
}

// isLeftOut reports whether the key at a path is in a section that is not read.
func (l *loader) isLeftOut(path string) bool {
	return l.only != "" && path != l.only && !strings.HasPrefix(path, l.only+".")
}

// prune removes the sections that are not read from the file. Unknown keys stay, so
// that they are reported.
func (l *loader) prune(file *yaml.Node) {
	if l.only == "" || file.Kind != yaml.MappingNode {
		return
	}
	sections := fields(reflect.TypeFor[Config]())
	var kept []*yaml.Node
	for i := 0; i+1 < len(file.Content); i += 2 {
		name := file.Content[i].Value
		known := slices.ContainsFunc(sections, func(f field) bool { return f.key == name })
		if !known || !l.isLeftOut(name) {
			kept = append(kept, file.Content[i], file.Content[i+1])
		}
	}
	file.Content = kept
}
