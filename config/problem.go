package config

import (
	"strconv"
	"strings"
)

// Problem is one mistake in a configuration.
type Problem struct {
	// File is the name of the configuration file. It is empty if an
	// environment variable holds the mistake, or if the configuration was not
	// loaded from a file.
	File string
	// Line is the line of the file, or 0 if the mistake has no line.
	Line int
	// Variable is the environment variable that holds the wrong value. It is
	// empty if the value is from the file or is a default.
	Variable string
	// Path is the key with the wrong value, such as
	// "platform.endpoints[1].address". It is empty for the complete file and
	// for a variable that sets no key.
	Path string
	// Reason is a clause that follows the path: "is required".
	Reason string
}

// String returns the problem on one line: the place of the value, its key, and the
// reason.
func (p Problem) String() string {
	var parts []string
	for _, part := range []string{p.place(), p.Path} {
		if part != "" {
			parts = append(parts, part)
		}
	}
	if len(parts) == 0 {
		parts = []string{"the configuration"}
	}
	// Names of files and variables can contain any characters.
	return strings.Map(onOneLine, strings.Join(append(parts, p.Reason), ": "))
}

// place returns the variable, or the file and the line, that the value is from. It
// may be empty.
func (p Problem) place() string {
	switch {
	case p.Variable != "":
		return p.Variable
	case p.Line == 0:
		return p.File
	case p.File == "":
		return "line " + strconv.Itoa(p.Line)
	}
	return p.File + ": line " + strconv.Itoa(p.Line)
}

// onOneLine replaces line breaks and control characters with blanks.
func onOneLine(c rune) rune {
	if isControl(c) {
		return ' '
	}
	return c
}

// places records the line or the variable of each value of a configuration, by
// path.
type places struct {
	file      string
	lines     map[string]int
	variables map[string]string
}

// locate sets the line or the variable of a problem to that of the value at a
// path. It returns false if neither the file nor the environment sets the value.
func (s *places) locate(p *Problem, path string) bool {
	if name, ok := s.variables[path]; ok {
		p.Variable = name
		return true
	}
	p.Line = s.lines[path]
	return p.Line > 0
}

// Place returns the place of the value at a path, or of the section that contains
// it: the file and the line, or the environment variable. It is for messages about
// mistakes that are found after loading. It is the file alone if neither sets the
// value, and empty for a configuration that was not loaded.
func (c *Config) Place(path string) string {
	return c.Problem(path, "").place()
}

// Problem returns a problem of the value at a path, with the place that [Config.Place]
// returns.
func (c *Config) Problem(path, reason string) Problem {
	p := Problem{Path: path, Reason: reason}
	if c.places == nil {
		return p
	}
	for at := path; at != "" && !c.places.locate(&p, at); {
		at = parent(at)
	}
	if p.Variable == "" {
		p.File = c.places.file
	}
	return p
}

// Problems is the error of a configuration that was read but is not valid.
type Problems struct {
	// List holds at least one problem. Those with a line are first, in the
	// order of the lines.
	List []Problem
}

// Error returns the problems, one on each line.
func (p *Problems) Error() string {
	lines := make([]string, len(p.List))
	for i, problem := range p.List {
		lines[i] = problem.String()
	}
	return strings.Join(lines, "\n")
}
