// Package translate says what the API's requests mean on the platform. It
// judges a request, makes the commands that it needs, and turns the
// platform's replies into the bodies and errors that the API answers with. Of
// a write whose answer was lost it reads back what became of it.
//
// It does no network I/O of its own: what it must know it asks of a [Reader],
// and a [Change] it only plans, as a [Plan] whose command somebody else sends.
// HTTP, authorization and the writing of answers belong to package gateway;
// sessions and XML belong to package oci.
//
// Facts about the protocol come from the published OCI schema, unless they say
// otherwise.
package translate

import (
	"context"
	"slices"

	"ocigate/oci"
	"ocigate/translate/scope"
)

// Reader asks the platform. *oci.Client is one.
type Reader interface {
	// Read sends the commands in one document and returns one reply for
	// each, in their order. It may send them more than once.
	Read(ctx context.Context, commands ...oci.Read) ([]oci.Reply, error)
}

// Query answers a request that changes nothing. Its result is the body of the
// answer.
//
// Errors are of type [*errcode.Error], or wrap the Reader's.
type Query func(ctx context.Context, group scope.Target) (*List, error)

// Commands lists the names of all commands that this package makes, sorted.
func Commands() []string {
	names := []string{
		tenantGetCommand, authorizationGetCommand, tenantListCommand, groupListCommand,
		departmentListCommand,
	}
	for _, r := range []*resource{&numberRanges, &numberPrefixes} {
		names = append(names, r.own.command, r.groupFree.command, r.tenantFree.command, r.tenantAll.command, r.assign, r.unassign)
	}
	slices.Sort(names)
	return names
}
