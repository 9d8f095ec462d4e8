// Package translate says what the API's requests mean on the platform. It
// judges a request, makes the commands that it needs, and turns the
// platform's replies into the bodies and errors that the API answers with.
//
// It does no network I/O of its own: what it must know it asks of a [Reader],
// and a change it only plans, as a [Plan] whose command somebody else sends.
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
type Query func(ctx context.Context, group Group) (*List, error)

// Change judges a request for a change and plans it. Body and path are judged
// first, together, then the group, then the entries; nothing is asked of the
// platform before the request itself is found to be in order.
//
// Errors are of type [*errcode.Error], or wrap the Reader's. With any of them
// there is no plan.
type Change func(ctx context.Context, group Group, body []byte) (*Plan, error)

// Plan is a change that passed every check. What becomes of it is told by
// [PlatformErrors.WriteResult].
type Plan struct {
	// Command does the whole change.
	Command oci.Write
	// Entries are the ranges or prefixes of the change, in the caller's order
	// and spelling.
	Entries []string

	unavailable string // the text of NotAvailableForAssignment for these entries
}

// Commands lists the names of all commands that this package makes, sorted.
func Commands() []string {
	names := []string{
		tenantGetCommand, authorizationGetCommand, tenantListCommand, groupListCommand,
		departmentListCommand, verifyCommand,
	}
	for _, r := range []*resource{&numberRanges, &numberPrefixes} {
		names = append(names, r.own.command, r.groupFree.command, r.tenantFree.command, r.assign, r.unassign)
	}
	slices.Sort(names)
	return names
}
