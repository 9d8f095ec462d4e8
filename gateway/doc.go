// Package gateway is the API over HTTP. [Routes] is its single source of
// truth: routes, rights, metric labels, documentation and tests come from that
// table, whose rows are of type [Route]. [New] makes a [Gateway] of it, with
// the services of [NewServices] and what has to do with the outside.
//
// One handler takes a request through the same steps whatever the row: who is
// calling; may they, by level and by the target that the path names; are the
// parameters and the body sound; and then the row's Query, which reads, or its
// Change, which is planned, recorded as an operation and sent step by step. One
// writer turns every error into the documented form.
//
// What requests mean on the platform is left to package translate and the packages
// of the services below it, talking to the platform to package oci, the proof of who
// is calling to package gateway/auth, and what becomes of writes, also after a crash,
// to package gateway/operation. How an endpoint is added is in translate/README.md.
package gateway
