package oci

import "context"

// RequestOf returns the request of a context, and whether it has one: see [WithRequest].
func RequestOf(ctx context.Context) (Request, bool) {
	of, ok := ctx.Value(requestKey{}).(*progress)
	if !ok {
		return Request{}, false
	}
	return of.Request, true
}
