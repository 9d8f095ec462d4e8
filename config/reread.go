package config

import (
	"reflect"
	"slices"
)

// FileSecret is a secret that was read from a file.
type FileSecret struct {
	// Path is its key, such as "auth.clients[0].hash".
	Path string
	// File is the file's name.
	File string
	// Changed reports whether the file contained another secret when it was
	// read again.
	Changed bool
}

// Reread reads every secret that is from a file again. It returns a copy of the
// configuration with the files' present contents, and the list of these secrets,
// in the order of the configuration's keys. If a file cannot be read or its
// content is not valid for its key, the error is a [*Problems] with all such
// files. The configuration itself is not changed.
func (c *Config) Reread() (*Config, []FileSecret, error) {
	next := *c
	var r rereading
	eachSecret("", reflect.ValueOf(&next).Elem(), r.secret)
	if len(r.problems) > 0 {
		return nil, nil, &Problems{r.problems}
	}
	return &next, r.secrets, nil
}

// rereading holds the state of one pass over the secrets of a configuration.
type rereading struct {
	secrets  []FileSecret
	problems []Problem
}

// eachSecret calls visit for each secret of a section, in the order of the keys. It
// copies lists before their entries are visited, so that visit may change the secrets
// of a copy of a configuration: the original shares its lists.
func eachSecret(path string, section reflect.Value, visit func(path string, f field, value reflect.Value)) {
	for _, f := range fields(section.Type()) {
		at, value := join(path, f.key), section.Field(f.index)
		switch {
		case f.typ == secretType:
			visit(at, f, value)
		case isSection(f.typ):
			eachSecret(at, value, visit)
		case f.typ.Kind() == reflect.Slice && isSection(f.typ.Elem()):
			value.Set(reflect.AppendSlice(reflect.MakeSlice(f.typ, 0, value.Len()), value))
			for i := range value.Len() {
				eachSecret(entry(at, i), value.Index(i), visit)
			}
		}
	}
}

// secret replaces a secret if it is from a file.
func (r *rereading) secret(path string, f field, value reflect.Value) {
	old, _ := reflect.TypeAssert[Secret](value)
	if old.File() == "" {
		return
	}
	current, err := old.Current()
	if err != nil {
		r.problems = append(r.problems, Problem{Path: path, Reason: err.Error()})
		return
	}
	if lf, _ := leafOf(f.typ); !accepts(lf, current.Reveal()) {
		r.problems = append(r.problems, Problem{Path: path, Reason: lf.refused + ": see " + old.File()})
		return
	}
	held := reflect.ValueOf(current)
	if broken := slices.IndexFunc(f.rules, func(rule rule) bool { return !rule.holds(held) }); broken >= 0 {
		r.problems = append(r.problems, Problem{Path: path, Reason: "must be " + f.rules[broken].text + ": see " + old.File()})
		return
	}
	value.Set(held)
	r.secrets = append(r.secrets, FileSecret{Path: path, File: old.File(), Changed: current.Reveal() != old.Reveal()})
}

func accepts(l leaf, text string) bool {
	_, ok := l.parse(text)
	return ok
}
