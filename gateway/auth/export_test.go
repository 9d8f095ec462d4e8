package auth

// Len returns the number of entries, of which some may have expired.
func (r *Revocations) Len() int {
	r.mu.RLock()
	defer r.mu.RUnlock()
	n := 0
	for _, of := range r.principals {
		n += len(of.tokens)
		if !of.all.expires.IsZero() {
			n++
		}
	}
	return n
}
