package translate

import (
	"bytes"
	"strings"

	"ocigate/oci"
	"ocigate/translate/errcode"
)

// A criterion is a condition that entries of a list must fulfil.
type criterion struct {
	param string // the parameter, for errors
	field int    // the index of the member in the entries' shape
	end   int    // likewise of the end of a range
	kind  criterionKind
	text  string // what to compare with; canonical if it is a number
	runes []rune // text after folding, if the letter case does not matter
	flag  bool   // the value of a boolean parameter
}

type criterionKind int

const (
	textStarts criterionKind = iota
	textContains
	textEquals
	isTrue
	isGiven
	numberIn
	prefixOf
	sameNumber
)

// criterionKinds are the kinds of the criteria of filters.
var criterionKinds = map[FilterKind]criterionKind{
	IsTrue: isTrue, IsGiven: isGiven, NumberIn: numberIn, PrefixOf: prefixOf, SameNumber: sameNumber,
}

// filterCriterion returns the criterion of the filter with that parameter.
func filterCriterion(item *Shape, filters []Filter, params Params, name string) (criterion, bool) {
	for i := range filters {
		f := &filters[i]
		if f.Name != name || !f.applies(item) {
			continue
		}
		c := criterion{param: name, field: item.field(f.Key), kind: criterionKinds[f.Kind], flag: params[name] == "true"}
		if f.EndKey != "" {
			c.end = item.field(f.EndKey)
		}
		if c.kind >= numberIn {
			c.text = params.Number(name)
		}
		return c, true
	}
	return criterion{}, false
}

// textCriterion returns the criterion of a parameter for the text of a member.
func textCriterion(item *Shape, params Params, name string) (criterion, bool) {
	rest, ignoresCase := strings.CutPrefix(name, insensitive)
	if !ignoresCase {
		rest = strings.TrimPrefix(name, sensitive)
	}
	for _, k := range textKinds {
		word, ok := strings.CutSuffix(rest, k.suffix)
		if !ok || rest == name {
			continue
		}
		field := item.fieldOfWord(word)
		if field < 0 || word == "" || !item.Fields[field].hasText() {
			continue
		}
		c := criterion{param: name, field: field, kind: k.kind, text: params[name]}
		if ignoresCase {
			c.runes = folded(c.text)
		}
		return c, true
	}
	return criterion{}, false
}

// contradictions returns the problems of criteria of which one makes another
// meaningless.
func contradictions(criteria []criterion) []errcode.Problem {
	var problems []errcode.Problem
	for i := range criteria {
		c := &criteria[i]
		for _, other := range criteria {
			if other.field != c.field || c.kind > textEquals {
				continue
			}
			switch {
			case other.kind == isGiven && !other.flag:
				problems = append(problems, errcode.Problem{
					Parameter: c.param, Reason: "must not be given if " + other.param + " is false: the text is empty then",
				})
			case other.kind == c.kind && c.runes != nil && other.runes == nil:
				problems = append(problems, errcode.Problem{Parameter: c.param, Reason: "must not be given together with " + other.param})
			}
		}
	}
	return problems
}

// An entryReader reads the members of entries as a response shows them.
type entryReader struct {
	*rows
	groupID string // of the target
	// Room for the canonical form of numbers.
	number, other [4 * MaxNumberLength]byte
}

// text returns the platform's text of a member.
func (r *entryReader) text(row oci.Row, field int) string {
	if r.fields[field].Kind == GroupID && r.columns[field] == oci.NoColumn {
		return r.groupID
	}
	return row.Cell(r.columns[field])
}

// holds reports whether an entry fulfils a criterion.
func (r *entryReader) holds(c *criterion, row oci.Row) bool {
	text := r.text(row, c.field)
	switch c.kind {
	case textStarts:
		if c.runes != nil {
			_, ok := beginsFolded(text, c.runes)
			return ok
		}
		return strings.HasPrefix(text, c.text)
	case textContains:
		if c.runes != nil {
			return containsFolded(text, c.runes)
		}
		return strings.Contains(text, c.text)
	case textEquals:
		if c.runes != nil {
			rest, ok := beginsFolded(text, c.runes)
			return ok && rest == ""
		}
		return text == c.text
	case isTrue:
		return (text == "true") == c.flag
	case isGiven:
		return (text != "") == c.flag
	}
	return r.holdsNumber(c, row, AppendCanonical(r.number[:0], text))
}

// holdsNumber is holds for a criterion about a number. number is the canonical form
// of the member.
func (r *entryReader) holdsNumber(c *criterion, row oci.Row, number []byte) bool {
	switch c.kind {
	case prefixOf:
		return len(number) > 0 && len(number) <= len(c.text) && string(number) == c.text[:len(number)]
	case sameNumber:
		return string(number) == c.text
	}
	end := number
	if last := row.Cell(r.columns[c.end]); last != "" {
		end = AppendCanonical(r.other[:0], last)
	}
	if len(number) != len(c.text) || len(end) != len(number) || hasPlus(end) != hasPlus(number) {
		return false
	}
	// A + is before all digits, so a number with one is not between two without.
	return string(number) <= c.text && c.text <= string(end)
}

func hasPlus(number []byte) bool { return len(number) > 0 && number[0] == '+' }

// An order is one of the orders by which a list is sorted.
type order struct {
	field       int // the index of the member in the entries' shape
	descending  bool
	insensitive bool
}

// ordersOf returns the orders in the value of the parameter sortOrders.
func ordersOf(item *Shape, value string) ([]order, []errcode.Problem) {
	var orders []order
	var problems []errcode.Problem
	isSorted := map[int]bool{}
	for text := range strings.SplitSeq(value, ",") {
		rest, ignoresCase := strings.CutPrefix(text, insensitive)
		if !ignoresCase {
			rest = strings.TrimPrefix(rest, sensitive)
		}
		word, isDescending := strings.CutPrefix(rest, descending)
		if !isDescending {
			word = strings.TrimPrefix(word, ascending)
		}
		field := item.fieldOfWord(word)
		if isSorted[field] {
			problems = append(problems, errcode.Problem{Parameter: SortOrdersParam, Reason: "must have only one order of " + word})
		}
		isSorted[field] = true
		orders = append(orders, order{field, isDescending, ignoresCase})
	}
	return orders, problems
}

// compare compares two entries by an order.
func (r *entryReader) compare(o order, a, b oci.Row) (c int) {
	x, y := r.text(a, o.field), r.text(b, o.field)
	switch r.fields[o.field].Kind {
	case PhoneNumber:
		c = compareNumbers(AppendCanonical(r.number[:0], x), AppendCanonical(r.other[:0], y))
	case Prefix:
		c = bytes.Compare(AppendCanonical(r.number[:0], x), AppendCanonical(r.other[:0], y))
	default:
		if o.insensitive {
			c = compareFolded(x, y)
		} else {
			c = strings.Compare(x, y)
		}
	}
	if o.descending {
		return -c
	}
	return c
}

// compareNumbers compares two phone numbers in their canonical form as numbers, so
// that a shorter one is before a longer one. Numbers with a + are before those
// without, and the empty number is before all.
func compareNumbers(a, b []byte) int {
	switch {
	case len(a) == 0 || len(b) == 0:
		return len(a) - len(b)
	case hasPlus(a) != hasPlus(b):
		return bytes.Compare(a, b) // a + is before all digits
	case len(a) != len(b):
		return len(a) - len(b)
	}
	return bytes.Compare(a, b)
}
