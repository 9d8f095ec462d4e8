package ocisim

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// particle is one place in the ordered content of a command: an element with its
// number of occurrences and its content, or a choice of elements, exactly one of
// which must be given.
type particle struct {
	name     string
	min, max int
	nillable bool
	first    int                // first release that has it; 0 means all that have the command
	value    func(string) error // for text
	children []particle         // for elements
	choice   []particle
}

const unbounded = int(^uint(0) >> 1)

// one returns a mandatory element with text.
func one(name string, value func(string) error) particle {
	return particle{name: name, min: 1, max: 1, value: value}
}

// parent returns a mandatory element with elements.
func parent(name string, children ...particle) particle {
	return particle{name: name, min: 1, max: 1, children: children}
}

// oneOf returns a choice.
func oneOf(alternatives ...particle) particle {
	return particle{min: 1, max: 1, choice: alternatives}
}

func (p particle) optional() particle { p.min = 0; return p }
func (p particle) many() particle     { p.min, p.max = 0, unbounded; return p }
func (p particle) some() particle     { p.min, p.max = 1, unbounded; return p }
func (p particle) orNil() particle    { p.nillable = true; return p }

// since returns a particle that a command has since a release.
func (p particle) since(release int) particle { p.first = release; return p }

// ofRelease returns the schema of a command in a release.
func ofRelease(schema []particle, release int) []particle {
	return slices.DeleteFunc(slices.Clone(schema), func(p particle) bool { return p.first > release })
}

// token returns the type of an xs:token with a number of characters between two
// bounds.
func token(shortest, longest int) func(string) error {
	return func(s string) error {
		switch n := utf8.RuneCountInString(s); {
		case n < shortest:
			return fmt.Errorf("must have at least %d characters", shortest)
		case n > longest:
			return fmt.Errorf("must have at most %d characters", longest)
		}
		return nil
	}
}

// integer returns the type of an xs:int between two bounds.
func integer(smallest, largest int) func(string) error {
	return func(s string) error {
		if n, err := strconv.Atoi(s); err != nil || n < smallest || n > largest {
			return fmt.Errorf("must be a number from %d to %d", smallest, largest)
		}
		return nil
	}
}

// boolean is the type xs:boolean.
func boolean(s string) error {
	switch s {
	case "true", "false", "1", "0":
		return nil
	}
	return errors.New("must be true or false")
}

// isTrue returns the value of a text that boolean has accepted.
func isTrue(s string) bool { return s == "true" || s == "1" }

// enum returns the type of a text that is one of some words.
func enum(words ...string) func(string) error {
	return func(s string) error {
		if slices.Contains(words, s) {
			return nil
		}
		return fmt.Errorf("must be one of %s", strings.Join(words, ", "))
	}
}

// check checks the children of a node against a schema. Its error names elements and
// never quotes a value, which may be a secret.
func check(path string, schema []particle, children []node) error {
	rest := children
	for _, p := range schema {
		taken, err := p.take(path, rest)
		if err != nil {
			return err
		}
		rest = rest[taken:]
	}
	if len(rest) > 0 {
		return fmt.Errorf("element %s is not expected at this place in %s", rest[0].name, path)
	}
	return nil
}

// take checks the elements at the beginning of the list that are of this particle
// and returns their number.
func (p particle) take(path string, list []node) (int, error) {
	for _, alternative := range p.choice {
		if len(list) > 0 && list[0].name == alternative.name {
			return alternative.take(path, list)
		}
	}
	n := 0
	for n < min(p.max, len(list)) && list[n].name == p.name {
		if err := p.accept(path+"/"+p.name, list[n]); err != nil {
			return 0, err
		}
		n++
	}
	if n < p.min {
		return 0, fmt.Errorf("element %s is expected in %s, found %s", p, path, headOf(list[n:]))
	}
	return n, nil
}

// accept checks the content of an element.
func (p particle) accept(path string, n node) error {
	switch {
	case n.null && !p.nillable:
		return fmt.Errorf("element %s must not be nil", path)
	case n.null && (n.text != "" || len(n.children) > 0):
		return fmt.Errorf("element %s is nil and must be empty", path)
	case n.null:
		return nil
	case p.value == nil && n.text != "":
		return fmt.Errorf("element %s must not hold text", path)
	case p.value == nil:
		return check(path, p.children, n.children)
	case len(n.children) > 0:
		return fmt.Errorf("element %s must not hold elements", path)
	}
	if err := p.value(n.text); err != nil {
		return fmt.Errorf("element %s %w", path, err)
	}
	return nil
}

// String returns the name for messages.
func (p particle) String() string {
	if p.choice == nil {
		return p.name
	}
	names := make([]string, len(p.choice))
	for i, alternative := range p.choice {
		names[i] = alternative.name
	}
	return strings.Join(names, " or ")
}

// headOf returns the name of the first element for messages.
func headOf(rest []node) string {
	if len(rest) == 0 {
		return "nothing"
	}
	return rest[0].name
}
