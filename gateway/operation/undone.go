package operation

import (
	"context"
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"time"
)

// undoneLimit is how many of the last operations with the same target are searched, and
// undoneBytes limits those that are in memory at the same time, as [Query.MaxBytes].
const (
	undoneLimit = 100
	undoneBytes = 1 << 20
)

// findUndone returns the ids of operations that were begun after op and done, and whose
// effect is gone while that of op is seen: the platform may have carried out op after
// they were done. own and touched are the results of lateEffects.
//
// The effect of a later operation is gone if it gave the same entry another value. Also,
// op may have replaced the complete list that it has a claim on, with the values from
// when op was planned. So the effects of later operations with that claim are read as
// well, on entries of the kinds of which an effect of op is seen.
func (k *Keeper) findUndone(op *Operation, own []int, touched map[int]string) ([]string, error) {
	if len(own)+len(touched) == 0 {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(k.life, storeTimeout+readTimeout)
	defer cancel()
	var ids, kinds []string
	for _, place := range own {
		kinds = append(kinds, op.Entries[place].Kind)
	}
	for place, id := range touched {
		e := op.Entries[place]
		kinds = append(kinds, e.Kind)
		later, err := k.options.Store.Get(ctx, id)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return nil, k.recheckFailed(ctx, err)
		}
		if slices.ContainsFunc(later.Entries, func(l Entry) bool { return l.Claim() == e.Claim() && l.Outcome == Done && !sameValue(l.After, e.After) }) {
			ids = append(ids, id)
		}
	}
	if len(op.Claims) > 0 {
		gone, err := k.undoneByClaim(ctx, op, kinds)
		if err != nil {
			return nil, err
		}
		ids = append(ids, gone...)
	}
	slices.Sort(ids)
	return slices.Compact(ids), nil
}

// undoneByClaim returns the ids of the operations with a claim of op that were begun
// later and whose effect on entries of the kinds is gone, although no later operation
// has changed these entries since.
func (k *Keeper) undoneByClaim(ctx context.Context, op *Operation, kinds []string) ([]string, error) {
	later, err := k.laterByClaim(ctx, op, kinds)
	if err != nil {
		return nil, err
	}
	var entries []Entry
	for i := range later {
		entries = append(entries, later[i].Entries...)
	}
	if len(entries) == 0 {
		return nil, nil
	}
	seen, err := k.readEntries(ctx, op, entries)
	if err != nil {
		return nil, err
	}
	var ids []string
	effects := seen.Effects
	for _, of := range later {
		var gone []Entry
		for i, e := range of.Entries {
			if effects[i] == (Effect{Seen: false, Clear: true}) {
				gone = append(gone, e)
			}
		}
		effects = effects[len(of.Entries):]
		if len(gone) == 0 {
			continue
		}
		of.Entries = gone
		touched, err := k.options.Store.Touched(ctx, of)
		if err != nil {
			return nil, k.recheckFailed(ctx, err)
		}
		if len(touched) < len(gone) {
			ids = append(ids, of.ID)
		}
	}
	return ids, nil
}

// laterByClaim returns the operations with the target and a claim of op that were
// intended after it, the last first. Each has only the entries of the kinds that no
// later one of them has changed. Operations without such entries are left out.
func (k *Keeper) laterByClaim(ctx context.Context, op *Operation, kinds []string) ([]Operation, error) {
	recent, err := k.recentByClaim(ctx, op, kinds)
	if err != nil {
		return nil, k.recheckFailed(ctx, err)
	}
	slices.SortStableFunc(recent, func(a, b Operation) int { return b.IntendedAt.Compare(a.IntendedAt) })
	var later []Operation
	changed := map[Claim]bool{}
	for _, o := range recent {
		var entries []Entry
		for _, e := range o.Entries {
			if !changed[e.Claim()] {
				if e.Outcome == Done {
					entries = append(entries, e)
				}
				changed[e.Claim()] = e.Outcome != NotDone
			}
		}
		if o.Entries = entries; len(entries) > 0 {
			later = append(later, o)
		}
	}
	return later, nil
}

// recentByClaim returns those of the last operations with the target of op that have a
// claim of it and were intended after it. Each has only its entries of the kinds that it
// changes. It reads them page by page, since each may have many entries.
func (k *Keeper) recentByClaim(ctx context.Context, op *Operation, kinds []string) ([]Operation, error) {
	var recent []Operation
	q := Query{Target: op.Target, Limit: undoneLimit, MaxBytes: undoneBytes}
	for {
		page, more, err := k.options.Store.List(ctx, q)
		if err != nil {
			return nil, err
		}
		for _, o := range page {
			shares := slices.ContainsFunc(o.Claims, func(c Claim) bool { return slices.Contains(op.Claims, c) })
			if o.ID == op.ID || o.Target != op.Target || !shares || !o.IntendedAt.After(op.IntendedAt) {
				continue
			}
			o.Entries = slices.DeleteFunc(slices.Clone(o.Entries), func(e Entry) bool { return e.Step == 0 || !slices.Contains(kinds, e.Kind) })
			recent = append(recent, o)
		}
		q.Limit -= len(page)
		if !more || q.Limit <= 0 || len(page) == 0 {
			return recent, nil
		}
		q.Before = page[len(page)-1].ID
	}
}

// recheckFailed reports a failure of the store, and returns it.
func (k *Keeper) recheckFailed(ctx context.Context, err error) error {
	k.storeFailed(ctx, "rechecking an operation", err)
	return err
}

// postponeRecheck postpones the recheck of an operation.
func (k *Keeper) postponeRecheck(open *openOperation) {
	k.mu.Lock()
	defer k.mu.Unlock()
	open.due = time.Now().Add(lastPause)
}

// sameValue reports whether two texts are the same JSON.
func sameValue(a, b json.RawMessage) bool {
	var left, right any
	if json.Unmarshal(a, &left) != nil || json.Unmarshal(b, &right) != nil {
		return false
	}
	return reflect.DeepEqual(left, right)
}
