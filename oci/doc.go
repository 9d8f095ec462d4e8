// Package oci is a client for OCI-P, the provisioning protocol of
// BroadWorks-style telephony platforms: XML documents over logged-in TCP or TLS
// sessions.
//
// A [Client] keeps a bounded pool of sessions with one or more endpoints, and
// logs them in and out. Commands are values made of a type name and elements
// ([NewRead], [NewWrite], [Text], [Parent]); what they mean is left to the
// caller. Replies give their elements by name, at any depth ([ReplyElement]), and
// their tables by column heading.
//
// Reads and writes are different types, because a write is never sent again
// where it may have been done. Whether bytes of it were handed to the socket
// decides: before that it was not done, which [NotDone] tells of an error, and
// after it only an intact answer tells what became of it. A session in any
// doubt is destroyed: after an answer that is not ours, a command that was
// abandoned, or a word from the platform that nobody asked for. The same read
// of several callers at a time is sent once for all who asked before it was.
//
// Platforms of several releases are spoken to alike. Callers use the newest names
// of commands; one table says which release has which, and what is sent to the
// others ([Features]). Each endpoint's release is detected, unless the options
// set it, and what its answers show beyond that is remembered ([Dialect]). A
// platform's refusal of a whole document, and of its account's credentials, is
// no network error: see [Client.Read] and [Options]. What a platform says in a
// refusal is passed on without the content of elements that hold secrets, since
// it may repeat the command.
//
// Replies are read in one pass as they arrive, by a scanner that takes less
// than XML allows and builds no tree; a large table costs less memory than its
// document has bytes. A [Reply] does not change, so it may be shared. The tests
// hold the scanner against etree, with which it shares no code.
//
// The package knows nothing of HTTP or JSON. Package oci/ocisim is a simulated
// platform to test against. Facts about the protocol come from the published
// XML schema of the Open Client Interface, unless they say otherwise.
package oci
