// Package oci is a client for OCI-P, the provisioning protocol of
// BroadWorks-style telephony platforms: XML documents over TCP or TLS sessions that
// are logged in.
//
// A [Client] keeps a bounded pool of sessions with one or more endpoints. It logs them
// in and out. A command consists of a type name and elements ([NewRead], [NewWrite],
// [Text], [Parent]); the meaning of commands is left to the caller. A [Reply] returns
// its elements by name, at any depth ([ReplyElement]), and the columns of its tables by
// heading ([Table]):
//
//	client, err := oci.New(oci.Options{Endpoints: []oci.Endpoint{{
//		Address: "as1.example.net:2208", UserID: "gateway", Password: password,
//	}}})
//	…
//	replies, err := client.Read(ctx, oci.NewRead(
//		"GroupRouteListEnterpriseTrunkNumberPrefixGetSummaryListRequest",
//		oci.Text("serviceProviderId", "sp"), oci.Text("groupId", "group")))
//	if err != nil {
//		return err // no reply
//	}
//	if err := replies[0].Err(); err != nil {
//		return err // the platform's refusal
//	}
//	table, err := replies[0].Table("numberPrefixSummaryTable")
//
// # Writes
//
// Reads and writes are different types, because a write is never sent again if it may
// have been done. What counts is whether bytes of it were handed to the socket. Before
// that, it was not done, and [NotDone] reports true for the error. After that, only a
// valid reply shows whether it was done. A session in an unknown state is closed: after
// a document that is no valid reply, after a command that was abandoned, and after
// unsolicited data. The same read of several callers is sent once, for all callers who
// called before it was sent ([Client.Read]).
//
// # Sessions and endpoints
//
// Sessions are made when they are needed, with the first endpoint that can be used. If an
// attempt takes long, the next endpoint is tried beside it, as RFC 8305 does for addresses
// ([Options.NextEndpointAfter]). After a failed attempt an endpoint is in backoff, and so is
// one whose sessions do not answer any more. One that is far slower than another loses its
// preference ([Options.SlowFactor]). Sessions return to a preferred endpoint that works
// again ([Options.ReturnOver]). The end of one session makes the others of its endpoint
// suspect: they must answer a probe before a caller gets them.
//
// # The queue
//
// Requests wait in a queue if all sessions are in use ([WithRequest] says whose they are).
// First in, first out is simple, and serves nobody under overload: once the queue is as long
// as callers wait, each session goes to a request that is about to be given up, and the
// caller who asks most gets most sessions. So the queue has another order:
//
//   - Callers share the time of the sessions by their weights: start-time fair queueing (P.
//     Goyal, H. Vin, H. Cheng, SIGCOMM 1996), for several commands at a time (W. Jin, J.
//     Chase, J. Kaur, SIGMETRICS 2004). Unlike round robin, it needs no turns of equal cost,
//     and it charges a caller for what they have used, not for what they have asked for.
//   - Of a caller who gives requests up, the newest is served first: adaptive LIFO (B. Maurer,
//     "Fail at Scale", ACM Queue 13(8), 2015), after a queue has stood for the interval of
//     CoDel (K. Nichols, V. Jacobson, A. McGregor, J. Iyengar, RFC 8289). What CoDel does
//     then, to drop what has waited longer than a target, is left out: it would refuse
//     patient callers who are served in time, and impatient ones have deadlines.
//   - A request that cannot be served before its deadline is refused at once, by the session
//     times of late ([BusyError]). That is cheaper for both sides than a wait in vain, and
//     says when to try again.
//   - The commands of a write that has begun precede all requests that have not, so that its
//     checks are not lost, and its outcome is known soon.
//
// While sessions are idle, nobody waits, and the queue does nothing.
//
// # Changes of the options
//
// [Client.Reconfigure] changes the options of a client that is in use. No request is lost:
// callers who wait keep their place, and commands under way finish over the session that
// they have. Endpoints whose session options are equal keep their sessions. Passwords, TLS
// configurations and the limits of the pool change in place. Backoffs and refused accounts
// stay, so the platform gets no further attempts to log in.
//
// # Releases
//
// The package supports platforms of several releases. Callers use the newest names of
// commands. A table says which release supports which commands, and what is sent to the
// others ([Features]). The client detects the release of each endpoint, unless the
// options set it, and remembers what the replies show ([Dialect]). A refusal of a
// complete document, or of the credentials of the client's account, is not a network
// error: see [Client.Read] and [Options]. The content of elements that hold secrets is
// removed from the text of a refusal, because a refusal may repeat the command.
//
// # Replies
//
// A scanner reads replies in one pass as they arrive. It accepts less than XML allows
// and builds no tree; a large table needs less memory than its document has bytes. A
// [Reply] does not change, so it may be shared. Tests compare the scanner with etree,
// with which it shares no code. [ParseReplies] reads a document without a session.
//
// The package does not depend on HTTP or JSON. Package oci/ocisim is a simulated
// platform for tests. Facts about the protocol come from the published XML schema of
// the Open Client Interface, unless stated otherwise.
package oci
