package auth

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// Client is a caller that the operator lists: a portal, say, that signs in as
// a service.
type Client struct {
	// ID is 1..64 letters, digits, "_" and "-", different for each client.
	ID string
	// Hash is the hash of its secret: bcrypt ("$2b$…", cost 10..15) or
	// argon2id as a PHC string, at most 256 MiB, 16 passes and 16 threads.
	// [Hash] makes one. Under bcrypt, secrets are at most 72 bytes long;
	// longer ones are never good, even where the hash was made of one.
	Hash Secret
	// Level and scope: TenantID for a Tenant Admin, TenantID and GroupID for
	// all below, none for a System Admin.
	Level             Level
	TenantID, GroupID string
}

// mac stands for a client's credential in memory. It is made with a key that
// the process alone has, so it tells nothing of the secret.
type mac [sha256.Size]byte

// client is a listed client with what is known of its credential. Only one
// secret fits a hash, so there is one to remember at the most.
type client struct {
	principal Principal // but for the method
	hash      hash
	text      Secret // the hash as it was given

	mu       sync.Mutex // guards what follows
	verified mac
	lastUsed time.Time // the zero value where nothing was verified yet
}

// remember keeps in mind that a credential is good.
func (c *client) remember(m mac) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.verified, c.lastUsed = m, time.Now()
}

// recall tells whether a credential was ever verified, and whether it was
// used recently enough to be let in at once. In that case it was used now. Of
// an id that nobody has (nil), nothing was verified.
func (c *client) recall(m mac, rememberFor time.Duration) (proven, fresh bool) {
	if c == nil {
		return false, false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	proven = !c.lastUsed.IsZero() && hmac.Equal(c.verified[:], m[:])
	fresh = proven && time.Since(c.lastUsed) < rememberFor
	if fresh {
		c.lastUsed = time.Now()
	}
	return proven, fresh
}

// hashedClients reads the list, and names everything that is wrong with it.
func hashedClients(list []Client) ([]*client, error) {
	var errs []error
	seen := make(map[string]bool, len(list))
	hashed := make([]*client, len(list))
	for i, c := range list {
		p := Principal{Name: c.ID, Level: c.Level, TenantID: c.TenantID, GroupID: c.GroupID}
		h, hashErr := parseHash(string(c.Hash))
		errs = append(errs, prefixed(fmt.Sprintf("Clients[%d]", i),
			checkClientID(c.ID, seen), prefixed("Hash", hashErr), p.checkScope()))
		seen[c.ID] = true
		hashed[i] = &client{principal: p, hash: h, text: c.Hash}
	}
	return hashed, errors.Join(errs...)
}

func checkClientID(id string, seen map[string]bool) error {
	switch {
	case !clientID.MatchString(id):
		return fmt.Errorf("ID: must be 1..64 letters, digits, _ and -, is %q", id)
	case seen[id]:
		return fmt.Errorf("ID: %q is another client's too", id)
	}
	return nil
}

// clients verifies the credentials of listed clients.
type clients struct {
	listing     atomic.Pointer[listing]
	rememberFor time.Duration
	throttle    *throttle
	macKey      []byte
	hashing     chan struct{} // holds one element for each hash under way
	flights     flights
}

// listing is the list of clients at one time. It does not change; [clients.replace]
// puts another in its place.
type listing struct {
	list []*client
	byID map[string]*client
}

func newListing(list []*client) *listing {
	l := &listing{list: list, byID: make(map[string]*client, len(list))}
	for _, listed := range list {
		l.byID[listed.principal.Name] = listed
	}
	return l
}

func newClients(list []*client, rememberFor time.Duration, hashConcurrency int, throttle *throttle) *clients {
	c := &clients{
		rememberFor: rememberFor,
		throttle:    throttle,
		macKey:      make([]byte, sha256.Size),
		hashing:     make(chan struct{}, hashConcurrency),
		flights:     flights{running: map[flightKey]*flight{}},
	}
	_, _ = rand.Read(c.macKey) // it never fails: it would rather end the program
	c.listing.Store(newListing(list))
	return c
}

// shown is a credential as it is verified against one listing. listed is nil
// for an id that nobody has.
type shown struct {
	credential
	mac     mac
	listing *listing
	listed  *client
}

func (c *clients) show(cred credential) shown {
	l := c.listing.Load()
	return shown{credential: cred, mac: c.mac(cred.id, cred.secret), listing: l, listed: l.byID[cred.id]}
}

// authenticate tells whether a credential is a listed client's, by the listing
// that is in force when it returns: the verification may wait for its turn to
// hash, and a secret that is replaced meanwhile is good no longer.
func (c *clients) authenticate(ctx context.Context, addr netip.Addr, cred credential) (Principal, error) {
	for {
		s := c.show(cred)
		p, err := c.authenticateShown(ctx, addr, s)
		if c.listing.Load().byID[cred.id] == s.listed {
			return p, err
		}
	}
}

// authenticateShown is authenticate by one listing. What is remembered comes
// before all limits, so that nobody can lock a client out by guessing at its
// secret once it was let in here.
func (c *clients) authenticateShown(ctx context.Context, addr netip.Addr, s shown) (Principal, error) {
	if len(s.listing.list) == 0 {
		return Principal{}, ErrBadCredentials
	}
	if _, fresh := s.listed.recall(s.mac, c.rememberFor); !fresh {
		err := c.flights.do(ctx, flightKey{s.mac, addressBlock(addr), s.listed}, func() error {
			return c.admit(ctx, addr, s)
		})
		if err != nil {
			// Requests that share a verification may differ in the method.
			return Principal{}, throttledBy(s.method, err)
		}
	}
	p := s.listed.principal
	p.Method = s.method
	return p, nil
}

// admit looks once more at what is remembered, since another request may have
// verified the credential in the meantime.
func (c *clients) admit(ctx context.Context, addr netip.Addr, s shown) error {
	switch proven, fresh := s.listed.recall(s.mac, c.rememberFor); {
	case fresh:
		return nil
	case proven:
		return c.verify(ctx, s)
	}
	return c.guess(ctx, addr, s)
}

// guess verifies a credential that was never good before, at the price of an
// attempt.
func (c *clients) guess(ctx context.Context, addr netip.Addr, s shown) error {
	attempt, err := c.throttle.admit(accountOfClient(s.id), addr)
	if err != nil {
		return err
	}
	defer attempt.end()
	err = c.verify(ctx, s)
	switch {
	case err == nil:
		attempt.succeed()
	case errors.Is(err, ErrBadCredentials):
		attempt.fail()
	}
	return err
}

// verify hashes a secret when its turn comes, and remembers a good one.
func (c *clients) verify(ctx context.Context, s shown) error {
	select {
	case c.hashing <- struct{}{}:
		defer func() { <-c.hashing }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if s.listed == nil {
		c.decoy(s).hash.matches(s.secret)
		return ErrBadCredentials
	}
	if !s.listed.hash.matches(s.secret) {
		return ErrBadCredentials
	}
	s.listed.remember(s.mac)
	return nil
}

// decoy is the client whose hash is computed for an id that nobody has: always
// the same for one id, so that neither one measurement nor several tell that
// id from a client's.
func (c *clients) decoy(s shown) *client {
	m, list := c.mac(s.id, ""), s.listing.list
	return list[binary.BigEndian.Uint64(m[:8])%uint64(len(list))]
}

func (c *clients) mac(id, secret string) mac {
	h := hmac.New(sha256.New, c.macKey)
	h.Write([]byte(id))
	h.Write([]byte{0}) // neither of the two can hold it
	h.Write([]byte(secret))
	return mac(h.Sum(nil))
}

// flights makes requests that show the same credential at the same time share
// one verification. A client that starts with many requests at once is then
// hashed, and counted, as one.
type flights struct {
	mu      sync.Mutex
	running map[flightKey]*flight
}

// flightKey has the address, because the limit on one address must not be
// answered to another, and the client that the credential was held against,
// because another listing may have another hash.
type flightKey struct {
	credential mac
	address    netip.Prefix
	listed     *client
}

type flight struct {
	done chan struct{}
	err  error // to be read when done is closed
}

// errAbandoned is the outcome of a verification that came to none.
var errAbandoned = errors.New("verification abandoned")

// do verifies, or waits for somebody else's verification of the same. A
// request that ended before its verification does not speak for the others:
// the next of them tries.
func (f *flights) do(ctx context.Context, key flightKey, verify func() error) error {
	for {
		current, mine := f.join(key)
		if mine {
			return f.lead(ctx, key, current, verify)
		}
		select {
		case <-current.done:
			if !errors.Is(current.err, errAbandoned) {
				return current.err
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (f *flights) join(key flightKey) (current *flight, mine bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if current, ok := f.running[key]; ok {
		return current, false
	}
	current = &flight{done: make(chan struct{}), err: errAbandoned}
	f.running[key] = current
	return current, true
}

func (f *flights) lead(ctx context.Context, key flightKey, mine *flight, verify func() error) error {
	defer func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.running, key)
		close(mine.done)
	}()
	err := verify()
	if ctx.Err() == nil || !errors.Is(err, ctx.Err()) {
		mine.err = err
	}
	return err
}
