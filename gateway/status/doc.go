// Package status serves a page for operators: what the gateway is doing, what is wrong,
// and what to do about it.
//
// A [Page] is a handler for the listener for operators. GET /status is HTML that needs no
// JavaScript and refreshes itself, and GET /status.json has the same facts: see [Status]
// for its keys. [Page.Run] takes a sample each 30 seconds, from which the plots of the
// last hour are made:
//
//	page := status.New(status.Options{Stats: client.Stats, Keeper: keeper, Metrics: metrics})
//	page.Mount(admin)
//	go page.Run(ctx)
//
// The page is bounded in size and time, whatever the platform and callers have caused:
// texts are cut, lists are limited, and a source that does not answer in time is named
// instead of awaited. All texts are escaped, and the page loads nothing.
package status
