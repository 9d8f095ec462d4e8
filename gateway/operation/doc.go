// Package operation keeps the truth about writes. A write is an [Operation]
// from the moment it is received; what is known of it is a [State], and every
// step is recorded in a [Store] before the next one is taken:
//
//	received → intent → sent → done | not done | partly done | unknown
//
// An operation is made durable as an intent before its first byte leaves. If
// the process dies after that, or the answer is lost, nobody knows what became
// of it: it is unknown until reading back shows it ([Keeper]). Until the outcome of
// an entry is known, no other operation may touch it, so that what is read is the
// operation's own doing.
//
// A [Write] is carried out in steps, each of which changes some of the entries. They
// are sent in order, each after its own intent and after the platform's success with
// the one before. So at any time the outcomes of all entries are known but for those
// of one step: those of the steps before are done, and later steps were not sent.
//
// Beside the operations a store keeps the keys by which callers may repeat a
// request safely, and the audit trail: a chain of lines in which no line can be
// changed, left out or moved unnoticed.
//
// The package neither knows HTTP nor the platform: it is given the entries of a
// write, and asks a [Observe] which of them have the values that are wanted. Packages bolt and postgres
// are its stores, package storetest the tests that both must pass.
package operation
