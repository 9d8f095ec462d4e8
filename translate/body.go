package translate

import (
	"encoding/json"
	"fmt"

	"ocigate/translate/errcode"
)

const notAnObject = "The body must be a JSON object."

// form is the documented form of a body: an object that holds one list of
// objects, each with a number that is required and one that is optional.
type form struct {
	list  string // the only key of the body
	start string // the required key of an entry
	end   string // the optional key of an entry, "" where there is none
}

// decode reads a body strictly. The error tells everything that is wrong with
// it, after the problems that are known already.
//
// Nothing below the entries' own values is looked at, so depth needs no limit
// besides that of encoding/json.
func (f form) decode(body []byte, known []errcode.Problem) ([]Entry, error) {
	if err := checkEncoding(body, known); err != nil {
		return nil, err
	}
	if kind := kindOf(body); kind != "an object" {
		return nil, &errcode.Error{Code: errcode.BadMediaType, Message: notAnObject, Problems: known}
	}
	found := findings{problems: known}
	entries := f.entries(body, &found)
	if err := found.err(); err != nil {
		return nil, err
	}
	return entries, nil
}

func (f form) entries(body []byte, found *findings) []Entry {
	list := found.list(found.body(body, []string{f.list}, nil)[f.list], "/"+f.list)
	entries := make([]Entry, len(list))
	seen := make(map[string]int, len(list))
	for i, raw := range list {
		at := fmt.Sprintf("/%s/%d", f.list, i)
		e := f.entry(raw, at, found)
		entries[i] = e
		if e.Key == "" {
			continue
		}
		if first, twice := seen[e.Key]; twice {
			found.invalid(at+"/"+f.start, fmt.Sprintf("must not be the same as /%s/%d/%s", f.list, first, f.start))
			continue
		}
		seen[e.Key] = i
	}
	return entries
}

// entry reads one object of the list. What is at fault in it is left empty.
func (f form) entry(raw json.RawMessage, at string, found *findings) Entry {
	var optional []string
	if f.end != "" {
		optional = []string{f.end}
	}
	fields := found.object(raw, at, []string{f.start}, optional)
	given := found.number(fields[f.start], at+"/"+f.start)
	e := Entry{Given: given, Key: canonical(given)}
	if f.end == "" {
		return e
	}
	e.End = found.number(fields[f.end], at+"/"+f.end)
	if e.Given != "" && e.End != "" && below(e.End, e.Given) {
		found.invalid(at+"/"+f.end, "must not be below "+f.start)
	}
	return e
}
