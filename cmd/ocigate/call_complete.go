package main

import (
	"strings"

	"github.com/spf13/cobra"

	"ocigate/translate"
)

// completeParam completes the name of a parameter of the query, and then its values if
// they are known.
func (e *endpointCall) completeParam(_ *cobra.Command, _ []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
	const noSpace = cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
	var found []cobra.Completion
	add := func(word, doc string) {
		if strings.HasPrefix(word, typed) {
			found = append(found, cobra.CompletionWithDesc(word, doc))
		}
	}
	name, _, valued := strings.Cut(typed, "=")
	for _, p := range e.described.Params {
		switch {
		case valued && p.Name == name:
			for _, value := range paramValues(p) {
				add(name+"="+value, "")
			}
		case !valued && !e.isGiven(p.Name):
			add(p.Name+"=", p.Doc)
		}
	}
	if valued {
		return found, cobra.ShellCompDirectiveNoFileComp
	}
	return found, noSpace
}

// isGiven reports whether a parameter of the query is on the command line already.
func (e *endpointCall) isGiven(name string) bool {
	for _, given := range e.params {
		if strings.HasPrefix(given, name+"=") {
			return true
		}
	}
	return false
}

// paramValues returns the values of a parameter that has only some.
func paramValues(p translate.Param) []string {
	if p.Kind == translate.BooleanParam {
		return []string{"true", "false"}
	}
	return p.Values
}
