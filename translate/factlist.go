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

// FactListing is the listing that applies to targets of which a context says a
// fact.
type FactListing struct {
	Fact    string
	Listing Listing
}

// FactListings are listings of which one applies to each target: the one of the
// fact that is the answer to a question of a context.
type FactListings struct {
	Question string // its name in the context
	Listings []FactListing
}

// Table asks for the table of a target that is in the context, from the listing
// that applies to the target. It takes one document: where the fact is not
// remembered, all listings are in it, and only the one that applies counts. What
// the platform answers to the others is not looked at; it may be refusals.
func (l FactListings) Table(ctx context.Context, e *Engine, target scope.Target, c *Context) (*oci.Table, error) {
	if facts, known := e.contexts.good(c, target); known {
		applies, err := l.of(facts)
		if err != nil {
			return nil, err
		}
		table, err := e.Table(ctx, target, applies.Listing)
		return table, c.worded(err)
	}
	left, unsupported := l.Listings, error(nil)
	for {
		replies, facts, err := e.enter(ctx, target, c, readsOf(left, target)...)
		if err == nil {
			return l.tableIn(e, target, c, left, replies, facts, unsupported)
		}
		// Nothing was sent where the platform is known not to have a command. It
		// is no reason to fail a target to which another one applies.
		rest := without(left, err)
		if len(rest) == 0 || len(rest) == len(left) {
			return nil, err
		}
		left, unsupported = rest, err
	}
}

// tableIn is the table in the replies to some of the listings. unsupported is why
// the others were not asked.
func (l FactListings) tableIn(e *Engine, target scope.Target, c *Context, asked []FactListing, replies []oci.Reply, facts Facts, unsupported error) (*oci.Table, error) {
	applies, err := l.of(facts)
	if err != nil {
		return nil, err
	}
	place := slices.IndexFunc(asked, func(f FactListing) bool { return f.Fact == applies.Fact })
	if place < 0 {
		return nil, unsupported
	}
	table, err := e.TableIn(replies[place], target, applies.Listing)
	return table, c.worded(err)
}

// of is the listing that applies.
func (l FactListings) of(facts Facts) (FactListing, error) {
	fact := facts[l.Question]
	i := slices.IndexFunc(l.Listings, func(f FactListing) bool { return f.Fact == fact })
	if i < 0 {
		return FactListing{}, errcode.Wrap(errcode.Internal,
			fmt.Errorf("translate: no listing is for the fact %q of the question %q", fact, l.Question))
	}
	return l.Listings[i], nil
}

// readsOf are the commands of the listings about a target.
func readsOf(listings []FactListing, target scope.Target) []oci.Read {
	commands := make([]oci.Read, len(listings))
	for i := range listings {
		commands[i] = listings[i].Listing.Read(target)
	}
	return commands
}

// without are the listings but for the one whose command the platform does not
// have, where the error says that.
func without(listings []FactListing, err error) []FactListing {
	unsupported, ok := errors.AsType[*oci.UnsupportedError](err)
	if !ok {
		return listings
	}
	return slices.DeleteFunc(slices.Clone(listings), func(f FactListing) bool { return f.Listing.Command == unsupported.Command })
}

// FactListQuery is a [Query] that is answered with a list of what one of several
// commands lists of a target, by a fact of its context.
type FactListQuery struct {
	Engine   *Engine
	Context  *Context
	Listings FactListings
	// Response has one field, the list. A member that not every listing has a
	// column of is optional.
	Response *Shape
	// Errors are the codes that it may be answered with besides those of the
	// context.
	Errors []*errcode.Code
}

// Describe implements [Query].
func (q *FactListQuery) Describe() Description {
	listings := make([]Listing, len(q.Listings.Listings))
	for i, l := range q.Listings.Listings {
		listings[i] = l.Listing
	}
	return Description{
		Reads:    ReadsOf(q.Context, q.Response, listings...),
		Response: q.Response,
		Errors:   CodesOnce(q.Context.Errors(), q.Errors),
	}
}

// Read implements [Query].
func (q *FactListQuery) Read(ctx context.Context, target scope.Target, _ Params) (Body, error) {
	table, err := q.Listings.Table(ctx, q.Engine, target, q.Context)
	if err != nil {
		return nil, err
	}
	list, err := q.Engine.ListAnswer(ctx, target, q.Response, table)
	if err != nil {
		return nil, err // and not a nil pointer that looks like a body
	}
	return list, nil
}
