package translate

import (
	"fmt"
	"slices"
	"strings"
)

// A Filter declares a query parameter of a list that keeps the entries for which
// something holds. (Parameters for the text of a member are declared by
// [Field.Word].)
type Filter struct {
	// Name is the name of the parameter, and Kind decides what it means.
	Name string
	Kind FilterKind
	// Key is the key of the member that the parameter is about. A list whose
	// entries do not have the member does not have the parameter.
	Key string
	// EndKey is the key of the end of a range that begins at Key. Only NumberIn
	// has it.
	EndKey string
	// Doc describes the parameter in the documentation.
	Doc string
}

// A FilterKind is what a [Filter] compares.
type FilterKind int

// The kinds.
const (
	// IsTrue keeps the entries whose Boolean is the value of the parameter.
	IsTrue FilterKind = iota
	// IsGiven keeps the entries that have a text, if the value of the parameter is
	// true, and those whose text is empty, if it is false.
	IsGiven
	// NumberIn keeps the ranges that hold a phone number: those whose start and
	// end have the same length as the number and the same + or none, and between
	// which it is. Start and end are included.
	NumberIn
	// PrefixOf keeps the prefixes with which a phone number begins.
	PrefixOf
	// SameNumber keeps the phone numbers or prefixes that are the value of the
	// parameter, by + and digits.
	SameNumber
)

// The names of the parameters of every list, in the words of the API family. The
// family nests startIndex and pageSize in an object pagingControl; in a query each
// is a parameter, which is our own decision.
const (
	StartIndexParam   = "startIndex"
	PageSizeParam     = "pageSize"
	ResponseSizeParam = "responseSizeLimit"
	SortOrdersParam   = "sortOrders"
)

const (
	// maxEntriesAsked limits the numbers of entries in parameters. It is more than
	// any list has, and the sum of two fits 32 bits.
	maxEntriesAsked = 1_000_000_000
	// maxFilterText is the length of the longest text of a filter, in characters.
	maxFilterText = 255
)

const (
	sensitive   = "sensitive"
	insensitive = "insensitive"
	ascending   = "Ascending"
	descending  = "Descending"
)

// The parts of the names of a text's parameters, and of a sort order.
var (
	letterCases = []string{sensitive, insensitive}
	directions  = []string{ascending, descending}
	textKinds   = []struct {
		suffix, verb string
		kind         criterionKind
	}{
		{"Starts", "starts with", textStarts},
		{"Contains", "contains", textContains},
		{"Equals", "is", textEquals},
	}
)

// ListParams returns the query parameters of a list whose response has that shape:
// those of the filters whose members the entries have, those of every list, and
// those of the members with a [Field.Word].
func ListParams(list *Shape, filters []Filter) []Param {
	item := list.Fields[0].Item
	var params []Param
	for _, f := range filters {
		if f.applies(item) {
			params = append(params, f.param())
		}
	}
	params = append(params,
		Param{
			Name: StartIndexParam, Kind: IntegerParam, Min: 1, Max: maxEntriesAsked,
			Doc: "The number of the first entry of the page, from 1. Without it the page begins at 1.",
		},
		Param{
			Name: PageSizeParam, Kind: IntegerParam, Min: 1, Max: maxEntriesAsked,
			Doc: "The most entries of the page. Without it the page has all entries from " + StartIndexParam + " on.",
		},
		Param{
			Name: ResponseSizeParam, Kind: IntegerParam, Min: 1, Max: maxEntriesAsked,
			Doc: "Cut the result after this many entries; pages are made of what is left.",
		})
	if orders := sortOrdersParam(item); len(orders.Values) > 0 {
		params = append(params, orders)
	}
	return append(params, textParams(item)...)
}

// applies reports whether the entries have the members of the filter.
func (f *Filter) applies(item *Shape) bool {
	return item.field(f.Key) >= 0 && (f.EndKey == "" || item.field(f.EndKey) >= 0)
}

func (f *Filter) param() Param {
	p := Param{Name: f.Name, Kind: BooleanParam, Doc: f.Doc}
	if f.Kind != IsTrue && f.Kind != IsGiven {
		p.Kind, p.Min, p.Max = NumberParam, 1, MaxNumberLength
	}
	return p
}

// hasText reports whether a list can be filtered by the text of the member.
func (f *Field) hasText() bool { return f.Word != "" && !f.Kind.isNumber() }

// wordsOf returns the words of the members for which a condition holds.
func wordsOf(item *Shape, holds func(*Field) bool) []string {
	var words []string
	for i := range item.Fields {
		if f := &item.Fields[i]; holds(f) {
			words = append(words, f.Word)
		}
	}
	return words
}

// alternatives returns how messages write a choice of texts.
func alternatives(texts []string) string { return "{" + strings.Join(texts, "|") + "}" }

func textParams(item *Shape) []Param {
	var suffixes []string
	for _, k := range textKinds {
		suffixes = append(suffixes, k.suffix)
	}
	pattern := alternatives(letterCases) + alternatives(wordsOf(item, (*Field).hasText)) + alternatives(suffixes)
	var params []Param
	for i := range item.Fields {
		f := &item.Fields[i]
		if !f.hasText() {
			continue
		}
		for _, letterCase := range letterCases {
			for _, k := range textKinds {
				doc := fmt.Sprintf("Only the entries whose %s %s this text", f.memberName(), k.verb)
				if letterCase == insensitive {
					doc += ", in any letter case"
				}
				params = append(params, Param{
					Name: letterCase + f.Word + k.suffix, Kind: TextParam, Min: 1, Max: maxFilterText, Pattern: pattern, Doc: doc + ".",
				})
			}
		}
	}
	return params
}

// memberName returns the key of the text, with that of the surrounding object.
func (f *Field) memberName() string {
	if f.Kind == Department || f.Kind == EnterpriseDepartment {
		return f.Key + "." + fullPathKey
	}
	return f.Key
}

func sortOrdersParam(item *Shape) Param {
	words := wordsOf(item, func(f *Field) bool { return f.Word != "" })
	p := Param{
		Name: SortOrdersParam, Kind: ChoicesParam,
		ValuePattern: alternatives(letterCases) + alternatives(directions) + alternatives(words),
		Doc: "Sort the entries: one or more orders, separated by commas, of which the first matters most. " +
			"Entries that are equal in all of them are in the platform's order.",
	}
	for _, word := range words {
		for _, letterCase := range letterCases {
			for _, direction := range directions {
				p.Values = append(p.Values, letterCase+direction+word)
			}
		}
	}
	return p
}

// fieldOfWord returns the index of the field with that word, or -1.
func (s *Shape) fieldOfWord(word string) int {
	return slices.IndexFunc(s.Fields, func(f Field) bool { return f.Word == word })
}
