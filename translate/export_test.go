package translate

import "ocigate/translate/scope"

// CachedFacts returns the facts of a target that is cached as being in the
// context.
func (e *Engine) CachedFacts(c *Context, target scope.Target) (facts Facts, known bool) {
	return e.contexts.lookup(c, target)
}
