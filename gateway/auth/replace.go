package auth

import "slices"

// Replace puts other keys and clients in the place of those that the
// Authenticator has, while it is in use. Where something is wrong with any of
// them, the error names it, as that of [New] does, and nothing is replaced.
//
// No request that comes after its return is let in by a key or a hash that is
// gone, though its token or credential was verified before; nor is one whose
// secret was waiting to be hashed. What the new keys and clients have in common
// with the old ones stays known: tokens that were logged out, a client's
// verified credential where its hash is the same, and all that was counted
// against guessing. Without keys, a random key stays the same.
func (a *Authenticator) Replace(keys []Key, clients []Client) error {
	a.replacing.Lock()
	defer a.replacing.Unlock()
	ring, keysErr := a.tokens.ring.Load().next(keys)
	hashed, clientsErr := hashedClients(clients)
	if err := prefixed("auth", keysErr, clientsErr); err != nil {
		return err
	}
	a.tokens.ring.Store(ring)
	a.clients.replace(hashed)
	return nil
}

// next is the keyring of other keys: the same one where they are the same.
func (k *keyring) next(keys []Key) (*keyring, error) {
	if slices.Equal(k.given, keys) {
		return k, nil
	}
	return newKeyring(keys)
}

// replace puts another list in force. The caller excludes other calls.
func (c *clients) replace(list []*client) {
	old := c.listing.Load()
	for i, listed := range list {
		list[i] = listed.after(old.byID[listed.principal.Name])
	}
	c.listing.Store(newListing(list))
}

// after is the client with what is remembered of it, where it has the same hash:
// the earlier one itself where nothing has changed.
func (c *client) after(earlier *client) *client {
	if earlier == nil || earlier.text != c.text {
		return c
	}
	if earlier.principal == c.principal {
		return earlier
	}
	earlier.mu.Lock()
	defer earlier.mu.Unlock()
	c.verified, c.lastUsed = earlier.verified, earlier.lastUsed
	return c
}
