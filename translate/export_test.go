package translate

import (
	"context"

	"ocigate/oci"
	"ocigate/translate/scope"
)

// CachedFacts returns the facts of a target that is cached as being in the
// context.
func (e *Engine) CachedFacts(c *Context, target scope.Target) (facts Facts, known bool) {
	return e.contexts.lookup(c, target)
}

// ListBody returns the body of a list, of which parameters may choose entries, as
// [ListQuery] does after it has read the table.
func ListBody(ctx context.Context, e *Engine, target scope.Target, shape *Shape, table *oci.Table, filters []Filter, params Params) (Body, error) {
	chosen, err := choiceOf(shape, filters, params)
	if err != nil {
		return nil, err
	}
	return e.listBody(ctx, target, shape, table, chosen)
}
