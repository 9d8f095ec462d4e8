package auth

import "slices"

// Replace replaces the keys and clients of the Authenticator while it is in use. If
// any of them is not valid, the error lists the problems, as that of [New] does,
// and nothing is replaced.
//
// After Replace has returned, no request is accepted by a key or a hash that was
// removed, even if its token or credential was verified before or its secret was
// waiting to be hashed. State that the new keys and clients have in common with
// the old ones is kept: tokens that were logged out, the verified credential of each
// hash that the client still has, and the counters of failed attempts. Without
// keys, a random key stays the same.
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

// next returns the keyring of the given keys: the same keyring if they are the same.
func (k *keyring) next(keys []Key) (*keyring, error) {
	if slices.Equal(k.given, keys) {
		return k, nil
	}
	return newKeyring(keys)
}

// replace makes another list effective. The caller must hold Authenticator.replacing,
// which excludes concurrent calls.
func (c *clients) replace(list []*client) {
	old := c.listing.Load()
	c.listing.Store(old.successor(list))
}

// successor returns a listing of other clients, which are not shared yet. Clients of the
// same id keep what their hashes have verified.
func (l *listing) successor(list []*client) *listing {
	for i, listed := range list {
		list[i] = listed.after(l.byID[listed.principal.Name])
	}
	return newListing(list)
}

// after returns the client with those hashes of its earlier entry that are the same, and
// the earlier entry itself if nothing has changed. The new entry c is not shared yet.
func (c *client) after(earlier *client) *client {
	if earlier == nil {
		return c
	}
	if earlier.principal == c.principal && earlier.sameHashes(c) {
		return earlier
	}
	c.shareHashes(earlier)
	return c
}
