package translate

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"ocigate/oci"
	"ocigate/translate/errcode"
	"ocigate/translate/scope"
)

// A FactListing is the listing for targets with that fact.
type FactListing struct {
	Fact    string
	Listing Listing
}

// FactListings are listings of which one applies to each target: the one for the
// fact of a question of the context.
type FactListings struct {
	Question string // the name of the question in the context
	Listings []FactListing
}

// Table reads the table of a target that must be in the context, from the listing
// that applies to the target. It sends one document. If the fact is not cached,
// the document has all listings, and only the reply to the one that applies is
// used; the others may be errors.
func (l FactListings) Table(ctx context.Context, e *Engine, target scope.Target, c *Context) (*oci.Table, error) {
	if facts, known := e.contexts.lookup(c, target); known {
		applies, err := l.listingFor(facts)
		if err != nil {
			return nil, err
		}
		table, err := e.Table(ctx, target, applies.Listing)
		return table, c.withMessage(err)
	}
	candidates, unsupported := l.Listings, error(nil)
	for {
		replies, facts, err := e.readWithContext(ctx, target, c, readsFor(candidates, target)...)
		if err == nil {
			return l.tableIn(e, target, c, candidates, replies, facts, unsupported)
		}
		// The client sends nothing if the platform does not support a command.
		// That must not fail a target to which another listing applies.
		rest := withoutUnsupported(candidates, err)
		if len(rest) == 0 || len(rest) == len(candidates) {
			return nil, err
		}
		candidates, unsupported = rest, err
	}
}

// tableIn returns the table in the replies to those listings that were asked.
// unsupported is the error for which the others were not sent.
func (l FactListings) tableIn(e *Engine, target scope.Target, c *Context, asked []FactListing, replies []oci.Reply, facts Facts, unsupported error) (*oci.Table, error) {
	applies, err := l.listingFor(facts)
	if err != nil {
		return nil, err
	}
	place := slices.IndexFunc(asked, func(f FactListing) bool { return f.Fact == applies.Fact })
	if place < 0 {
		return nil, unsupported
	}
	table, err := e.TableIn(replies[place], target, applies.Listing)
	return table, c.withMessage(err)
}

// listingFor returns the listing that applies.
func (l FactListings) listingFor(facts Facts) (FactListing, error) {
	fact := facts[l.Question]
	i := slices.IndexFunc(l.Listings, func(f FactListing) bool { return f.Fact == fact })
	if i < 0 {
		return FactListing{}, errcode.Wrap(errcode.Internal,
			fmt.Errorf("translate: there is no listing for the fact %q of the question %q", fact, l.Question))
	}
	return l.Listings[i], nil
}

// readsFor returns the commands of the listings about a target.
func readsFor(listings []FactListing, target scope.Target) []oci.Read {
	commands := make([]oci.Read, len(listings))
	for i := range listings {
		commands[i] = listings[i].Listing.Read(target)
	}
	return commands
}

// withoutUnsupported returns the listings without the one whose command the error
// reports as unsupported.
func withoutUnsupported(listings []FactListing, err error) []FactListing {
	unsupported, ok := errors.AsType[*oci.UnsupportedError](err)
	if !ok {
		return listings
	}
	return slices.DeleteFunc(slices.Clone(listings), func(f FactListing) bool { return f.Listing.Command == unsupported.Command })
}

// A FactListQuery is a [Query] that returns what one of several commands lists of
// a target, chosen by a fact of its context.
type FactListQuery struct {
	Engine   *Engine
	Context  *Context
	Listings FactListings
	// Response has one field, the list. A member whose column is not in every
	// listing is optional.
	Response *Shape
	// Filters are parameters of the list besides those of every list; see
	// [ListParams]. Those about members that the entries do not have are left
	// out.
	Filters []Filter
	// Errors are the codes that it may return, besides those of the context.
	Errors []*errcode.Code
}

// Describe implements [Query].
func (q *FactListQuery) Describe() Description {
	listings := make([]Listing, len(q.Listings.Listings))
	for i, l := range q.Listings.Listings {
		listings[i] = l.Listing
	}
	return Description{
		Reads:    ReadsWithResponse(q.Context, q.Response, listings...),
		Params:   ListParams(q.Response, q.Filters),
		Response: q.Response,
		Errors:   CodesOnce(q.Context.Errors(), q.Errors),
	}
}

// Read implements [Query].
func (q *FactListQuery) Read(ctx context.Context, target scope.Target, params Params) (Body, error) {
	chosen, err := choiceOf(q.Response, q.Filters, params)
	if err != nil {
		return nil, err
	}
	table, err := q.Listings.Table(ctx, q.Engine, target, q.Context)
	if err != nil {
		return nil, err
	}
	return q.Engine.listBody(ctx, target, q.Response, table, chosen)
}
