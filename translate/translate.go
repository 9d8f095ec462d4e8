// Package translate is the engine behind the routes of the API. It decodes
// request bodies, reads the platform, plans changes, and writes response bodies.
// It does not depend on any service. A service is a separate package that declares
// which commands it sends ([Context], [Listing]), the forms of its bodies
// ([Shape]), and how its changes are planned ([Change]) and read back ([Observer]).
//
// # How a request goes through this package
//
// A route is served by a [Query] or a [Change]. The target and the query
// parameters of the request are valid when they get here.
//
// Query.Read sends one document of commands to the platform: first the questions
// of the [Context], unless the cache of the [Engine] has their result, then the
// commands of the query. It checks the replies and returns a [Body], which is an
// [Answer] that writes JSON directly from the reply, as the [Shape] declares it.
// [ListQuery] and [FactListQuery] implement the usual lists. If the request has
// parameters, their Body is a [Page]: the entries that it filters, sorts and pages
// by [ListParams].
//
// Change.Decode decodes the request body by its Shape into an [Input], strictly
// and reporting all problems together, and returns a [Draft]: the requested
// entries, without values. Change.Plan reads the Context and the lists of the
// platform, rejects the entries that cannot be changed, and returns a [Plan]: the
// entries with their values before and after the change, and the steps, each of
// which is one command. Package gateway sends the steps and classifies each reply
// with [PlatformErrors.WriteResult]. If the result of a step stays unknown,
// [Observers.Compare] reads the present values of its entries, as an
// [Observation], and compares them with the planned values; the result is a
// [Comparison]. A [Reporter] writes the results of all entries as [Records].
//
// # Example
//
// An engine with one list of a group:
//
//	engine := translate.New(translate.Options{Reader: client, ContextTTL: time.Minute})
//	query := &translate.ListQuery{
//		Engine: engine, Context: groupContext, Listing: numbers, Response: numbersShape,
//	}
//	body, err := query.Read(ctx, scope.Target{TenantID: "T", GroupID: "G"}, nil)
//
// # Scope
//
// The package does no network I/O of its own: it sends commands through a
// [Reader]. HTTP, authorization, and the states and journal of operations belong
// to package gateway and the packages below it; sessions and XML belong to
// package oci. README.md in this directory describes how to add a route or a
// service.
//
// Facts about the protocol come from the published OCI schema, unless a comment
// names another source.
package translate

import (
	"bufio"
	"context"

	"ocigate/oci"
	"ocigate/translate/errcode"
	"ocigate/translate/scope"
)

// A Reader sends commands that read the platform. *oci.Client implements it.
type Reader interface {
	// Read sends the commands in one document and returns one reply for each, in
	// their order. It may send them more than once.
	Read(ctx context.Context, commands ...oci.Read) ([]oci.Reply, error)
}

// A Query is the operation of a route that changes nothing. It is safe for
// concurrent use.
type Query interface {
	// Describe describes the operation. It does not need the platform.
	Describe() Description
	// Read returns the body of the response. The caller has validated the ids of
	// the target against the scope of the route, and the parameters against
	// [Description.Params].
	//
	// Errors are of type [*errcode.Error], or wrap the Reader's.
	Read(ctx context.Context, target scope.Target, params Params) (Body, error)
}

// A Body is the body of a response. The platform's reply is checked before a Body
// is made, so writing one cannot fail because of the reply.
type Body interface {
	// WriteJSON writes the body, ending with a line feed. The bytes are those
	// that encoding/json writes without its escaping of HTML. w is flushed when
	// it is full, but not at the end: as long as nothing was flushed, w.Buffered
	// is the length of the body. An error is one of w, and ends the writing.
	WriteJSON(w *bufio.Writer) error
	// ETag returns the entity tag of RFC 9110: strong, and with its quotes. Every
	// replica returns the same tag for the same content.
	ETag() string
}

// A Description is what can be stated about an operation without the platform.
// Tables, metrics and documentation are generated from it.
type Description struct {
	// Reads and Writes are the names of all commands that the operation may send,
	// as they are passed to the Reader or to the sender of writes. They include
	// the commands of its context and of its observers, and those of all options.
	// Each name is listed once.
	Reads, Writes []string
	// Params declare the query parameters.
	Params []Param
	// Conditional reports whether a change honours If-Match: see [Draft.IfMatch].
	Conditional bool
	// Request and Response are the bodies. Request is nil if there is none.
	Request, Response *Shape
	// Errors are the codes that are specific to the operation, each once. Codes
	// that any read or any write may return are not listed.
	Errors []*errcode.Code
}
