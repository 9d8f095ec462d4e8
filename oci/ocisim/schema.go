package ocisim

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// particle is one place in the ordered content of a command: an element, how
// often it may stand there and what it holds; or a choice of elements, of
// which there must be one.
type particle struct {
	name     string
	min, max int
	nillable bool
	first    int                // release that has it, 0 where all that have the command do
	value    func(string) error // for text
	children []particle         // for elements
	choice   []particle
}

const unbounded = int(^uint(0) >> 1)

func one(name string, value func(string) error) particle {
	return particle{name: name, min: 1, max: 1, value: value}
}

func parent(name string, children ...particle) particle {
	return particle{name: name, min: 1, max: 1, children: children}
}

func oneOf(alternatives ...particle) particle {
	return particle{min: 1, max: 1, choice: alternatives}
}

func (p particle) optional() particle { p.min = 0; return p }
func (p particle) many() particle     { p.min, p.max = 0, unbounded; return p }
func (p particle) some() particle     { p.min, p.max = 1, unbounded; return p }
func (p particle) orNil() particle    { p.nillable = true; return p }

// since is a particle that a command has from that release on.
func (p particle) since(release int) particle { p.first = release; return p }

// ofRelease is the schema of a command in that release.
func ofRelease(schema []particle, release int) []particle {
	return slices.DeleteFunc(slices.Clone(schema), func(p particle) bool { return p.first > release })
}

// token is an xs:token of so many characters.
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

// integer is an xs:int between two bounds.
func integer(smallest, largest int) func(string) error {
	return func(s string) error {
		if n, err := strconv.Atoi(s); err != nil || n < smallest || n > largest {
			return fmt.Errorf("must be a number from %d to %d", smallest, largest)
		}
		return nil
	}
}

// boolean is an xs:boolean.
func boolean(s string) error {
	switch s {
	case "true", "false", "1", "0":
		return nil
	}
	return errors.New("must be true or false")
}

// isTrue reads what boolean has let through.
func isTrue(s string) bool { return s == "true" || s == "1" }

// enum is one of some words.
func enum(words ...string) func(string) error {
	return func(s string) error {
		if slices.Contains(words, s) {
			return nil
		}
		return fmt.Errorf("must be one of %s", strings.Join(words, ", "))
	}
}

// check holds the children of a node against a schema. The problem it returns
// names elements but never quotes a value, which may be a secret.
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

// take checks the elements at the head of the list that are of this particle,
// and tells how many they are.
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

func headOf(rest []node) string {
	if len(rest) == 0 {
		return "nothing"
	}
	return rest[0].name
}
