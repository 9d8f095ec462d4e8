// Package gateway is the API over HTTP. [Endpoints] is its single source of
// truth: routes, rights, metric labels, documentation and tests come from that
// table. One handler takes a request through the same steps whatever the
// endpoint (who is calling, may he, is the request sound, what does the platform
// say), and one writer turns every error into the documented form.
//
// What requests mean on the platform is left to package translate, talking to
// the platform to package oci, and the proof of who is calling to package
// gateway/auth.
package gateway
