package translate

import "ocigate/translate/scope"

// Remembered returns the facts of a target that is remembered to be in the
// context.
func (e *Engine) Remembered(c *Context, target scope.Target) (facts Facts, known bool) {
	return e.contexts.good(c, target)
}
