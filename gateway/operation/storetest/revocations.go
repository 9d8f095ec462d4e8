package storetest

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"ocigate/gateway/operation"
)

// ofToken returns the revocation of a token that expires in a minute.
func ofToken(principal, token string) operation.Revocation {
	return operation.Revocation{Principal: principal, Token: token, Issued: now(), Expires: now().Add(time.Minute)}
}

// ofAll returns the revocation of all tokens that were issued until then.
func ofAll(principal string, issued time.Time) operation.Revocation {
	return operation.Revocation{Principal: principal, Issued: issued, Expires: issued.Add(time.Hour)}
}

func (w *world) revoke(r operation.Revocation) operation.Revocation {
	w.Helper()
	if err := w.store.Revoke(w.Context(), r, operation.Event{}); err != nil {
		w.Fatalf("Revoke of %+v: %v", r, err)
	}
	return r
}

// revocations returns the revocations of a store after a revision, and the last revision.
func (w *world) revocations(store operation.Store, after int64) (all []operation.Revocation, last int64) {
	w.Helper()
	for last = after; ; {
		some, next, err := store.Revocations(w.Context(), last)
		switch {
		case err != nil:
			w.Fatalf("Revocations: %v", err)
		case len(some) == 0 && next != last, len(some) > 0 && next <= last:
			w.Fatalf("Revocations after %d: %d, and the revision %d", last, len(some), next)
		case len(some) == 0:
			return all, last
		}
		all, last = append(all, some...), next
	}
}

// wantRevocations checks which revocations there are after a revision, in order, and returns
// the last revision.
func (w *world) wantRevocations(after int64, want ...operation.Revocation) int64 {
	w.Helper()
	got, last := w.revocations(w.store, after)
	if diff := equal(got, want); diff != "" {
		w.Errorf("the revocations after %d (-want +got):\n%s", after, diff)
	}
	return last
}

var revocationTests = []test{
	{"returns what was added, in order and in parts, also to another store", func(w *world) {
		if last := w.wantRevocations(0); last != 0 {
			w.Errorf("the revision of nothing is %d", last)
		}
		a := w.revoke(ofToken("user ann", "1"))
		first := w.wantRevocations(0, a)
		b, c := w.revoke(ofToken("user bob", "2")), w.revoke(ofAll("external https://issuer#Zoë", now()))
		last := w.wantRevocations(first, b, c)
		w.wantRevocations(last)
		w.another()
		w.wantRevocations(0, a, b, c)
		w.wantRevocations(first, b, c)
		d := w.revoke(ofToken("user", "ann1"))
		w.wantRevocations(last, d)
	}},
	{"keeps many", func(w *world) {
		const n = 300
		for i := range n {
			w.revoke(ofToken(fmt.Sprint("user ", i%7), strconv.Itoa(i)))
		}
		if all, _ := w.revocations(w.store, 0); len(all) != n || all[0].Token != "0" || all[n-1].Token != strconv.Itoa(n-1) {
			w.Errorf("%d of %d", len(all), n)
		}
	}},
	{"keeps the later times of two for the same tokens", func(w *world) {
		early, late := now(), now().Add(time.Minute)
		w.revoke(ofAll("user", early))
		w.revoke(ofAll("user", late))
		after := w.wantRevocations(0, ofAll("user", late))
		w.revoke(ofAll("user", early))
		w.wantRevocations(after, ofAll("user", late))
		w.wantRevocations(0, ofAll("user", late))
		token := w.revoke(ofToken("user", "1"))
		token.Expires = token.Expires.Add(time.Hour)
		w.revoke(token)
		w.revoke(ofToken("user", "1"))
		got, _ := w.revocations(w.store, 0)
		if len(got) != 2 || !got[1].Expires.Equal(token.Expires) {
			w.Errorf("%+v", got)
		}
	}},
	{"replaces those that it covers, and keeps the longest expiry", func(w *world) {
		issued := now()
		long := ofToken("user", "long")
		long.Issued, long.Expires = issued, issued.Add(48*time.Hour)
		w.revoke(long)
		w.revoke(ofToken("user2", "another principal"))
		later := ofToken("user", "later")
		later.Issued = issued.Add(time.Microsecond)
		w.revoke(later)
		all := ofAll("user", issued)
		w.revoke(all)
		all.Expires = long.Expires
		got, _ := w.revocations(w.store, 0)
		if len(got) != 3 || equal(got[1], later) != "" || equal(got[2], all) != "" {
			w.Errorf("%+v", got)
		}
	}},
	{"takes the present time for all tokens of a principal", func(w *world) {
		before := now()
		w.revoke(operation.Revocation{Principal: "user"})
		got, _ := w.revocations(w.store, 0)
		if len(got) != 1 || got[0].Token != "" {
			w.Fatalf("%+v", got)
		}
		if at := got[0].Issued; at.Before(before.Add(operation.TokenLeeway)) || at.After(now().Add(operation.TokenLeeway+time.Minute)) {
			w.Errorf("tokens until %v, after %v", at, before)
		}
		if lasts := got[0].Expires.Sub(got[0].Issued); lasts < operation.MaxTokenTTL {
			w.Errorf("it lasts %v", lasts)
		}
	}},
	{"writes the event to the trail, with those of others", func(w *world) {
		a := w.append(login("ann"))
		e := operation.Event{Time: now(), Kind: operation.EventLogout, Caller: operation.Caller{Name: "ann"}, Route: "logout", Outcome: "ok"}
		if err := w.store.Revoke(w.Context(), ofToken("user ann", "1"), e); err != nil {
			w.Fatal(err)
		}
		w.revoke(ofToken("user ann", "2"))
		b := w.append(login("bob"))
		w.wantTrail(a, e, b)
	}},
	{"prunes what has expired, and nothing else", func(w *world) {
		gone := ofToken("user", "gone")
		gone.Expires = now().Add(-time.Second)
		w.revoke(gone)
		kept := w.revoke(ofToken("user", "kept"))
		all := w.revoke(ofAll("user2", now().Add(-2*time.Hour)))
		w.prune(now().Add(time.Hour))
		w.wantRevocations(0, kept)
		w.wantRevocations(0, kept)
		if all.Expires.After(now()) {
			w.Error("the test is wrong")
		}
	}},
	{"carries out an order of an operator, and writes it to the trail", func(w *world) {
		order := operation.EndTokens{Principal: "user ann@example.com", User: "Ann@example.com", By: "root", Reason: "has left"}
		if err := order.Record(w.Context(), w.store); err != nil {
			w.Fatal(err)
		}
		got, _ := w.revocations(w.store, 0)
		if len(got) != 1 || got[0].Principal != order.Principal || got[0].Token != "" {
			w.Errorf("%+v", got)
		}
		lines := w.trail()
		if len(lines) != 1 {
			w.Fatalf("%d lines", len(lines))
		}
		want := operation.Event{
			Time: lines[0].Time, Kind: operation.EventRevocation, UserID: order.User, Reason: order.Reason,
			Caller: operation.Caller{Name: "root", Level: "operator", Method: "command line"},
		}
		if diff := equal(lines[0], want); diff != "" {
			w.Errorf("the line (-want +got):\n%s", diff)
		}
	}},
	{"refuses an order that is not complete", func(w *world) {
		good := operation.EndTokens{Principal: "user ann", User: "ann", By: "root", Reason: "has left"}
		for _, bad := range []func(*operation.EndTokens){
			func(o *operation.EndTokens) { o.Principal = "" },
			func(o *operation.EndTokens) { o.User = " " },
			func(o *operation.EndTokens) { o.User = "a\x00b" },
			func(o *operation.EndTokens) { o.By = "" },
			func(o *operation.EndTokens) { o.Reason = "" },
			func(o *operation.EndTokens) { o.Reason = "two\nlines" },
			func(o *operation.EndTokens) { o.Reason = strings.Repeat("x", operation.MaxReason+1) },
		} {
			order := good
			bad(&order)
			err := order.Record(w.Context(), w.store)
			if _, refused := errors.AsType[*operation.OrderError](err); !refused {
				w.Errorf("%+v: %v", order, err)
			}
		}
		w.wantRevocations(0)
		w.wantTrail()
	}},
	{"shows all of them to a reader that asks for new ones while others are added", func(w *world) {
		const n = 60
		written, done, seen := make(chan struct{}), make(chan error, 1), map[string]bool{}
		reader := w.store
		go func() {
			last := int64(0)
			for more := true; more; {
				select {
				case <-written: // one more time
					more = false
				default:
				}
				some, next, err := reader.Revocations(w.Context(), last)
				if err != nil {
					done <- err
					return
				}
				last = next
				for _, r := range some {
					seen[r.Token] = true
				}
			}
			done <- nil
		}()
		errs := w.concurrently(n, func(store operation.Store, i int) error {
			event := login(strconv.Itoa(i))
			if i%3 == 0 {
				event = operation.Event{}
			}
			return store.Revoke(w.Context(), ofToken(fmt.Sprint("user ", i%5), strconv.Itoa(i)), event)
		})
		close(written)
		if err := cmp.Or(errors.Join(errs...), <-done); err != nil || len(seen) != n {
			w.Errorf("%d of %d were seen, %v", len(seen), n, err)
		}
	}},
	{"keeps one of several that are made concurrently for all tokens of a principal", func(w *world) {
		issued := now()
		errs := w.concurrently(8, func(store operation.Store, i int) error {
			if i%2 == 0 {
				return store.Revoke(w.Context(), ofToken("user", strconv.Itoa(i)), operation.Event{})
			}
			return store.Revoke(w.Context(), ofAll("user", issued.Add(time.Duration(i)*time.Second)), operation.Event{})
		})
		if err := errors.Join(errs...); err != nil {
			w.Fatal(err)
		}
		got, _ := w.revocations(w.store, 0)
		if !slices.ContainsFunc(got, func(r operation.Revocation) bool { return equal(r, ofAll("user", issued.Add(7*time.Second))) == "" }) {
			w.Errorf("%+v", got)
		}
	}},
}
