// Package operation records what is known of writes to the platform: done, not done
// or unknown.
//
// A write is an [Operation] from the moment it is received. Its [State] says what is
// known of it, and each step is recorded in a [Store] before it is sent:
//
//	received → intent → sent → done | not done | partly done | unknown
//
// An operation is durable as an intent before its first byte is sent. If the process
// ends after that, or the platform's reply is lost, the operation is unknown until
// the platform's lists show whether it was carried out. The [Keeper] reads them back
// through an [Observe] function. Until the outcome of an entry is known, no other
// operation can change the entry, so a reading shows the effect of this operation
// and not that of another one. The table of all states and events is at [State].
//
// A [Write] is carried out in steps, each of which changes some of the entries. The
// steps are sent in order, each after its own intent and after the platform has
// reported success for the step before. So at any time the outcomes of all entries
// are known except for those of one step: the entries of earlier steps are done, and
// later steps were not sent.
//
// A store also keeps the idempotency keys, with which callers can repeat a request
// safely, the audit trail: a chain of lines in which every change, omission or
// reordering of lines can be detected, and the revocations of callers' tokens, which the
// keeper reads for package auth.
//
// The package depends neither on HTTP nor on the platform's protocol: the entries of
// a write are given to it, and an [Observe] function reports which entries have the
// values that the write wants. Packages bolt and postgres implement [Store]; package
// storetest has the tests that both must pass.
//
// A caller begins a write, records its intent, sends it, and settles it with the
// platform's reply:
//
//	w, err := keeper.Begin(ctx, op)
//	if err != nil {
//		return err // nothing was recorded, nothing may be sent
//	}
//	defer w.Close()
//	w.Plan(entries)
//	if err := w.Intend(ctx, 1, "primary"); err != nil {
//		w.Unsent(1)
//		return err
//	}
//	reply, refusal := send()
//	op = w.Settle(ctx, reply, refusal)
package operation
