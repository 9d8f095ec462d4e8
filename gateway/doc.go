// Package gateway is the HTTP API.
//
// [Routes] is the single source of truth: handlers, rights, metric labels,
// documentation and tests come from that table of [Route] values. [New] makes a
// [Gateway], an http.Handler, from the services of [NewServices] and the rest of its
// [Options]: the client of the platform, the keeper of operations, the authenticator
// and the [Metrics]. [Admin] is the handler for metrics and probes, on another
// listener.
//
// Every request takes the same steps, whatever its route: authenticate the caller;
// authorize them, by level and by the target that the path names; validate the
// parameters and the body; then run the route's Query, which reads, or plan its
// Change, record it as an operation and send it step by step. One function writes
// every error in the documented form.
//
// Other packages do the rest. Package translate and the service packages below it
// turn requests into commands of the platform, package oci sends them, package
// gateway/auth authenticates callers, and package gateway/operation records writes
// and finds out their outcome, also after a crash. translate/README.md explains how
// to add a route.
package gateway
