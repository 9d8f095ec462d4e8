package gateway

import (
	"context"
	"strings"

	"ocigate/gateway/auth"
	"ocigate/oci"
)

// SessionShares are how the sessions with the platform are shared among callers while
// several want more than there are.
type SessionShares struct {
	// Users is the share of each user, of the platform or of an issuer.
	Users SessionShare
	// Clients has the shares of listed clients, by their ids. Those without one have the
	// zero value.
	Clients map[string]SessionShare
}

// SessionShare is the share of one caller.
type SessionShare struct {
	// Weight is the share in comparison with others; 0 counts as 1.
	Weight int
	// Max is how many sessions the caller may use at a time; 0 for no limit besides that
	// of all.
	Max int
}

// clientPrefix begins the texts of listed clients. Those of other callers begin with
// another method of authentication.
var clientPrefix = string(auth.MethodBasic) + " "

// text returns a text that identifies the caller among all others.
func (k callerKey) text() string { return string(k.method) + " " + k.name }

// forCaller returns a context whose commands are sent for a caller. write reports whether
// they belong to a write, and not to a read or a dry run.
func (g *Gateway) forCaller(ctx context.Context, who auth.Principal, write bool) context.Context {
	key, share := callerKeyOf(who), g.options.SessionShares.Users
	if key.method == auth.MethodBasic {
		share = g.options.SessionShares.Clients[key.name]
	}
	return oci.WithRequest(ctx, oci.Request{Caller: key.text(), Weight: share.Weight, MaxSessions: share.Max, Write: write})
}

// forReading returns a context for the reading of an operation. Within a request its commands
// are those of the request. The keeper itself reads only operations whose outcome is unknown
// and which hold up others, and a few at a time: these go first.
func forReading(ctx context.Context) context.Context {
	if _, within := oci.RequestOf(ctx); within {
		return ctx
	}
	return oci.WithRequest(ctx, oci.Request{Urgent: true})
}

// The values of the label "caller" of the time of sessions.
const (
	usedByClient  = "client"
	usedByUser    = "user"
	usedByProgram = "ocigate"
)

// userOf returns the labels of a caller as package oci reports it: the kind, and the id of a
// listed client.
func userOf(caller string) (kind, client string) {
	if caller == "" {
		return usedByProgram, ""
	}
	if id, ok := strings.CutPrefix(caller, clientPrefix); ok {
		return usedByClient, id
	}
	return usedByUser, ""
}
