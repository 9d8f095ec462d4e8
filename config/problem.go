package config

import (
	"strconv"
	"strings"
)

// Problem is one thing wrong with a configuration.
type Problem struct {
	// File is the name of the configuration file. It is empty where an
	// environment variable is at fault, or a configuration that was not loaded.
	File string
	// Line is the line of the file, or 0 where there is none to name.
	Line int
	// Variable is the environment variable that holds the value at fault, or
	// empty where the file or a default does.
	Variable string
	// Path is the key at fault, such as "platform.endpoints[1].address". It is
	// empty for the file as a whole and for a variable that sets no key.
	Path string
	// Reason is a clause that reads well after the path: "is required".
	Reason string
}

// String is the problem on one line: where the value comes from, its key, and
// the reason.
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
	// Names of files and variables can hold anything.
	return strings.Map(onOneLine, strings.Join(append(parts, p.Reason), ": "))
}

// place is where the value comes from, or nothing.
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

// onOneLine maps what would break or garble a line to a blank.
func onOneLine(c rune) rune {
	if isControl(c) {
		return ' '
	}
	return c
}

// places say where the values of a configuration come from, by path.
type places struct {
	file      string
	lines     map[string]int
	variables map[string]string
}

// locate notes where the value at a path comes from, if the environment or the
// file gave it.
func (s *places) locate(p *Problem, path string) bool {
	if name, ok := s.variables[path]; ok {
		p.Variable = name
		return true
	}
	p.Line = s.lines[path]
	return p.Line > 0
}

// Place is where the value at a path, or the section around it, comes from, for
// messages about what is found wrong with it later: the file and the line, or the
// environment variable. It is the file alone where neither gave the value, and
// empty for a configuration that was not loaded.
func (c *Config) Place(path string) string {
	if c.places == nil {
		return ""
	}
	p := Problem{File: c.places.file}
	for at := path; at != "" && !c.places.locate(&p, at); {
		at = parent(at)
	}
	return p.place()
}

// Problems is the error of a configuration that was read and found wanting.
type Problems struct {
	// List holds at least one problem: those with a line first, in the order
	// of the lines.
	List []Problem
}

// Error is one problem a line.
func (p *Problems) Error() string {
	lines := make([]string, len(p.List))
	for i, problem := range p.List {
		lines[i] = problem.String()
	}
	return strings.Join(lines, "\n")
}
