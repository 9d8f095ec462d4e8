package translate

import (
	"context"
	"slices"

	"ocigate/translate/errcode"
	"ocigate/translate/scope"
)

// ListQuery is a [Query] that is answered with a list of what a command lists of a
// target.
type ListQuery struct {
	Engine  *Engine
	Context *Context
	Listing Listing
	// Response has one field, the list.
	Response *Shape
	// Errors are the codes that it may be answered with besides those of the
	// context.
	Errors []*errcode.Code
	// Others are listings that take the place of the listing under other options
	// of the service.
	Others []Listing
}

// Describe implements [Query].
func (q *ListQuery) Describe() Description {
	return Description{
		Reads:    ReadsOf(q.Context, q.Response, append([]Listing{q.Listing}, q.Others...)...),
		Response: q.Response,
		Errors:   CodesOnce(q.Context.Errors(), q.Errors),
	}
}

// ReadsOf are the names of the commands that a context, the answers of a shape and
// listings need, each once. The shape may be nil.
func ReadsOf(c *Context, response *Shape, listings ...Listing) []string {
	names := c.Reads()
	for _, l := range listings {
		names = append(names, l.Command)
	}
	if response != nil && response.has(Department) {
		names = append(names, departmentListCommand)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// CodesOnce are the codes of all lists in their order, each once.
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
func (q *ListQuery) Read(ctx context.Context, target scope.Target, _ Params) (Body, error) {
	table, err := q.Engine.TableInContext(ctx, target, q.Context, q.Listing)
	if err != nil {
		return nil, err
	}
	list, err := q.Engine.ListAnswer(ctx, target, q.Response, table)
	if err != nil {
		return nil, err // and not a nil pointer that looks like a body
	}
	return list, nil
}
