package config

import (
	"strconv"
	"strings"
)

// Problem is one thing wrong with a configuration.
type Problem struct {
	// Path is the key at fault, such as "platform.endpoints[1].address". It is
	// empty for the file as a whole and for a variable that sets no key.
	Path string
	// Variable is the environment variable that holds the value at fault, or
	// empty where the file or a default does.
	Variable string
	// Line is the line of the file, or 0 where there is none to name.
	Line int
	// Reason is a clause that reads well after the path: "is required".
	Reason string
}

// String is the problem on one line.
func (p Problem) String() string {
	var b strings.Builder
	if p.Path == "" && p.Variable == "" {
		b.WriteString("the file: ")
	}
	for _, place := range []string{p.Path, p.Variable} {
		if place != "" {
			b.WriteString(place + ": ")
		}
	}
	if p.Line > 0 {
		b.WriteString("line " + strconv.Itoa(p.Line) + ": ")
	}
	// File names and variables can hold anything.
	return strings.ReplaceAll(b.String()+p.Reason, "\n", " ")
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
