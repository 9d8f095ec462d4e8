// Package operation keeps the truth about writes. A write is an [Operation]
// from the moment it is received; what is known of it is a [State], and every
// step is recorded in a [Store] before the next one is taken:
//
//	received → intent → sent → done | not done | partly done | unknown
//
// An operation is made durable as an intent before its first byte leaves. If
// the process dies after that, or the answer is lost, nobody knows what became
// of it: it is unknown until reading back shows it ([Keeper]). While it is not
// ended, no other operation may touch its entries, so that what is read is its
// own doing.
//
// Beside the operations a store keeps the keys by which callers may repeat a
// request safely, and the audit trail: a chain of lines in which no line can be
// changed, left out or moved unnoticed.
//
// The package neither knows HTTP nor the platform: it is told what a write
// wants, and asks a [Look] what is to be seen of it. Packages bolt and postgres
// are its stores, package storetest the tests that both must pass.
package operation
