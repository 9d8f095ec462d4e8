package translate

import (
	"context"
	"slices"

	"ocigate/translate/errcode"
	"ocigate/translate/scope"
)

// A ListQuery is a [Query] that returns what one command lists of a target.
type ListQuery struct {
	Engine  *Engine
	Context *Context
	Listing Listing
	// Response has one field, the list.
	Response *Shape
	// Filters are parameters of the list besides those of every list; see
	// [ListParams]. Those about members that the entries do not have are left
	// out.
	Filters []Filter
	// Errors are the codes that it may return, besides those of the context.
	Errors []*errcode.Code
	// Others are listings that replace Listing under other options of the
	// service.
	Others []Listing
}

// Describe implements [Query].
func (q *ListQuery) Describe() Description {
	return Description{
		Reads:    ReadsWithResponse(q.Context, q.Response, append([]Listing{q.Listing}, q.Others...)...),
		Params:   ListParams(q.Response, q.Filters),
		Response: q.Response,
		Errors:   CodesOnce(q.Context.Errors(), q.Errors),
	}
}

// ReadsOf returns the names of the commands of a context and of listings, each
// once, in alphabetical order. It is for operations that send no [Answer].
func ReadsOf(c *Context, listings ...Listing) []string {
	names := c.Reads()
	for _, l := range listings {
		names = append(names, l.Command)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// ReadsWithResponse is [ReadsOf] for operations that send an [Answer] of that
// shape, nil for none. It includes the command that an answer with departments may
// need.
func ReadsWithResponse(c *Context, response *Shape, listings ...Listing) []string {
	names := ReadsOf(c, listings...)
	if response != nil && response.has(Department) {
		names = append(names, departmentListCommand)
		slices.Sort(names)
	}
	return slices.Compact(names)
}

// CodesOnce returns the codes of all lists in their order, each once.
func CodesOnce(lists ...[]*errcode.Code) []*errcode.Code {
	var once []*errcode.Code
	for _, code := range slices.Concat(lists...) {
		if !slices.Contains(once, code) {
			once = append(once, code)
		}
	}
	return once
}

// Read implements [Query].
func (q *ListQuery) Read(ctx context.Context, target scope.Target, params Params) (Body, error) {
	chosen, err := choiceOf(q.Response, q.Filters, params)
	if err != nil {
		return nil, err
	}
	table, err := q.Engine.TableInContext(ctx, target, q.Context, q.Listing)
	if err != nil {
		return nil, err
	}
	return q.Engine.listBody(ctx, target, q.Response, table, chosen)
}
