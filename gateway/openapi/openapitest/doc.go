// Package openapitest validates the requests and responses of tests against the OpenAPI
// description of the API, so that the two cannot drift apart.
//
// [Watch] and [Handler] wrap the handler of a gateway, so that no caller can bypass the
// validation: not one that writes bytes to a connection, and no shell script. [Main] makes a
// package's tests fail if something did not agree, also in a process that a test has
// started.
//
//	func TestMain(m *testing.M) { os.Exit(openapitest.Main{M: m}.Run()) }
//
// # Rules
//
//   - A response is one of those that the description has for its operation: its status,
//     its media type, its headers, its body, and for an error its code.
//   - Responses have no members that the description does not have. To clients it
//     promises less: that members may be added.
//   - If a request is not valid by the description, its response is an error: 4xx, or 503
//     if the gateway could not authenticate its sender in time. So a request that succeeds
//     is valid.
//   - A path or method that the description does not have gets 404 or 405, in the form of
//     all errors.
//
// # Exceptions
//
// Nothing else is left out than what [Exceptions] lists, each with its reason. Messages
// that are not HTTP at all never reach a handler: package net/http refuses them, so they
// are no requests to the API.
package openapitest

// An Exception is a reason for which a response is not validated, or not completely.
type Exception string

// The exceptions.
const (
	// Documentation is not described by the description, which is a part of it.
	Documentation Exception = "the path is of the documentation, not of the API"
	// Options requests are answered by the router with the methods of a path.
	Options Exception = "OPTIONS is answered for every path, and not described for any"
	// Aborted responses ended by a panic, on which net/http closes the connection.
	Aborted Exception = "the handler panicked, so that there was no response"
	// CutOff responses were not written to their end: only the header is validated.
	CutOff Exception = "the caller disconnected, so that the body is not complete"
)

// Exceptions returns all exceptions.
func Exceptions() []Exception { return []Exception{Documentation, Options, Aborted, CutOff} }
