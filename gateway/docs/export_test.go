package docs

// MaxRendered is for tests.
const MaxRendered = maxRendered

// Kept returns how many rendered pages a handler keeps.
func Kept(h *Handler) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.rendered)
}
