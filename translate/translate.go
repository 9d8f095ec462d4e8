// Package translate is the engine of the API's endpoints: it decodes requests,
// asks the platform, and makes the answers. It knows no service. A service is a
// package of its own that declares what it asks ([Context], [Listing]), the forms
// of its bodies ([Shape]), and how its writes are planned ([Change]) and read back
// ([Observer]).
//
// An endpoint is a [Query] or a [Change]. A request to a Query goes: the [Engine]
// asks, in one document, whether the target is in its [Context] and for what is to
// be shown; the replies are checked; and the [Answer] writes JSON straight from the
// reply, as the [Shape] declares it. [ListQuery] and [FactListQuery] are the usual
// lists.
//
// A request to a Change goes: Decode reads the body by its Shape, strictly and with
// all problems at once, and makes a [Draft] of entries; Plan asks the Context and
// the platform's lists, refuses what is at fault, and makes a [Plan] of entries
// with their values before and after, and of steps with one command each. The steps
// are carried out by others. Where it is not known what became of one, the
// [Observers] read the present values of its entries and compare them.
//
// The package does no network I/O of its own: what must be known is asked of a
// [Reader]. HTTP, authorization, and the states and journal of writes belong to
// package gateway and those below it; sessions and XML belong to package oci. How
// an endpoint or a service is added is in README.md beside this file.
//
// Facts about the protocol come from the published OCI schema, unless they say
// otherwise.
package translate

import (
	"bufio"
	"context"

	"ocigate/oci"
	"ocigate/translate/errcode"
	"ocigate/translate/scope"
)

// Reader asks the platform. *oci.Client is one.
type Reader interface {
	// Read sends the commands in one document and returns one reply for
	// each, in their order. It may send them more than once.
	Read(ctx context.Context, commands ...oci.Read) ([]oci.Reply, error)
}

// Query is the operation of an endpoint that changes nothing. It may be used by
// several goroutines at a time.
type Query interface {
	Describe() Description
	// Read returns the body of the answer. The target's ids and the parameters
	// are valid: whoever calls it has checked them against the endpoint's scope
	// and [Description.Params].
	//
	// Errors are of type [*errcode.Error], or wrap the Reader's.
	Read(ctx context.Context, target scope.Target, params Params) (Body, error)
}

// Body is the body of an answer. Whatever can be wrong with the platform's reply
// was found before there is a Body.
type Body interface {
	// WriteJSON writes the body, to the byte as encoding/json would without its
	// escaping of HTML: with a line feed at the end. w is flushed when it is
	// full, but not at the end: as long as nothing was flushed, w.Buffered is the
	// body's length. An error is w's, and ends the writing.
	WriteJSON(w *bufio.Writer) error
	// ETag is the entity tag of RFC 9110: strong, and with its quotes. It is the
	// same for the same content in every replica.
	ETag() string
}

// Description is what is known of an operation without the platform. Tables,
// metrics and documentation are made of it.
type Description struct {
	// Reads and Writes are the names of all commands with which the operation
	// may ask or change the platform, in the form that is handed to the Reader or
	// the Writer: those of its context and of its observers, too, and those of all
	// options. Each is there once.
	Reads, Writes []string
	// Params are the query parameters.
	Params []Param
	// Conditional reports that a change honours If-Match: see [Draft.IfMatch].
	Conditional bool
	// Request and Response are the bodies. Request is nil where there is none.
	Request, Response *Shape
	// Errors are those that are the operation's own, each once. Errors that any
	// read or any write may have are not listed.
	Errors []*errcode.Code
}
