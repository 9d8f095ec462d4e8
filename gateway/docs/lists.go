package docs

import (
	"regexp"
	"slices"

	"ocigate/gateway"
	"ocigate/translate"
)

// A parameter is a query parameter as the pages show it, or a family of comparisons.
type parameter struct {
	Name, Doc string
	Allowed   string // the values that it may have
	kind      translate.ParamKind
}

// comparison matches the name of a comparison: the letter case, the word for the member,
// and the kind of the comparison.
var comparison = regexp.MustCompile(`^(?:sensitive|insensitive)([A-Za-z]+?)(?:Starts|Contains|Equals)$`)

// familyName returns the name that the comparisons of one member share, as a pattern.
func familyName(word string) string {
	return "{sensitive|insensitive}" + word + "{Starts|Contains|Equals}"
}

// families returns the parameters in their order. The comparisons of one member, six
// parameters with the same values, are one entry with the description of the first.
func families(params []translate.Param) []parameter {
	var found []parameter
	for _, p := range params {
		name := p.Name
		if match := comparison.FindStringSubmatch(name); match != nil {
			name = familyName(match[1])
		}
		if !slices.ContainsFunc(found, func(other parameter) bool { return other.Name == name }) {
			found = append(found, parameter{Name: name, Doc: p.Doc, Allowed: paramValues(p), kind: p.Kind})
		}
	}
	return found
}

// lists are the data of the page about lists.
type lists struct {
	Params      []parameter // filters, order and pages
	Comparisons []parameter // families
}

// listsOf returns the parameters of all lists with filters and pages, each one once.
func listsOf(routes []gateway.Route) lists {
	var params []translate.Param
	for _, route := range routes {
		own := route.Describe().Params
		if slices.ContainsFunc(own, func(p translate.Param) bool { return p.Name == translate.PageSizeParam }) {
			params = append(params, own...)
		}
	}
	var all lists
	for _, p := range families(params) {
		switch {
		case p.Name[0] == '{':
			all.Comparisons = append(all.Comparisons, p)
			continue
		case p.kind == translate.ChoicesParam:
			p.Allowed = "see Order" // each list has its own
		}
		all.Params = append(all.Params, p)
	}
	return all
}

// listParams returns the parameters of the list of operations.
func listParams(routes []gateway.Route) []parameter {
	for _, route := range routes {
		if route.Name == "operations_list" {
			return families(route.Describe().Params)
		}
	}
	return nil
}
