package operation

import "slices"

// State is what is known of an operation.
//
// This table has the next state for each event. "–" means that the event does not
// occur in this state or changes nothing. "ended" means done, not_done or
// partly_done, whichever follows from the outcomes of the entries (stateOf).
//
//	event                              received   intent          sent            unknown              ended
//	---------------------------------  ---------  --------------  --------------  -------------------  -----------------
//	Write.Plan                         received¹  –               –               –                    –
//	Write.Intend: stored               sent²      sent            sent            –                    –
//	Write.Intend: entry is held        received   intent          intent          –                    –
//	Write.Intend: failed, conflict     intent     intent⁹         intent⁹         –                    –
//	Write.Unchanged: stored            done       –               –               –                    –
//	Write.Unchanged: store failed      received   –               –               –                    –
//	Write.Unsent                       –          ended³          ended³          –                    –
//	Write.Settle: Succeeded            –          –               ended⁴          –                    –
//	Write.Settle: NoReply              –          –               unknown         –                    –
//	Write.Settle: Refused, Declined    –          –               ended, unknown  –                    –
//	Write.Settle: Unclear              –          –               ended, unknown  –                    –
//	Write.Close                        removed    ended³          unknown         –                    –
//	owner has stopped, taken over      removed    unknown         unknown⁵        unknown              ended
//	reading proves the outcomes        –          –               –               ended, unknown⁶      –
//	released                           –          –               –               unknown⁶             –
//	recheck sees the effect            –          –               –               unknown, corrected⁷  ended, corrected⁷
//	recheck sees no effect             –          –               –               unknown              ended
//	another process has recorded it    –          –               –               –⁸                   –⁸
//
// Notes:
//
//  1. The entries of the plan replace those of the request.
//  2. The store has an intent from here to the first outcome. Only the process that
//     sends the operation reports it as sent.
//  3. not_done if the first step was not sent; the idempotency key is then free
//     again ([NotTaken]). partly_done if earlier steps were done.
//  4. done, or partly_done if later steps could not be sent.
//  5. The store has an intent, so it is not known whether the step was sent.
//  6. unknown if entries were released before their outcome was known: the outcome
//     of these is unknown for good, and the operation is over once it holds no other
//     entry ([Operation.Over]).
//  7. Entries that were found not to be done are done. The state follows from the
//     outcomes again; a [Correction] has the old one and the new one.
//  8. The version in the store is higher, or has another owner. This process stops
//     reading the operation back, and reports what the store has.
//  9. After a conflict over a later step than the first, no step can be sent any more.
type State string

// The states. Done, NotDone and PartlyDone are the ends.
const (
	// Received: the request is being validated and planned. Nothing is recorded
	// that outlives the process, and nothing was sent.
	Received State = "received"
	// Intent: a step is recorded, and may be sent from now on.
	Intent State = "intent"
	// Sent: a step is being sent, or its reply is awaited. Only the process that
	// sends it knows this state; the store has an Intent until the first outcome.
	Sent State = "sent"
	// Done: the platform did all of it.
	Done State = "done"
	// NotDone: the platform did nothing of it.
	NotDone State = "not_done"
	// PartlyDone: the outcomes of the entries that it was to change differ.
	PartlyDone State = "partly_done"
	// Unknown: it was sent, or may have been, and it is not known whether the
	// platform did it. It is being read back.
	Unknown State = "unknown"
)

// Ended reports whether the state is Done, NotDone or PartlyDone.
func (s State) Ended() bool { return s == Done || s == NotDone || s == PartlyDone }

// Running reports whether the operation has no outcome yet: it is Received, Intent
// or Sent.
func (s State) Running() bool { return s == Received || s == Intent || s == Sent }

// Outcome returns the state as callers see it: an end, or Unknown.
func (s State) Outcome() State {
	if s.Ended() {
		return s
	}
	return Unknown
}

// stateOf returns the state of an operation whose entries have these outcomes, each
// Done or NotDone. It is Done if there are none.
func stateOf(outcomes []State) State {
	switch {
	case !slices.Contains(outcomes, NotDone):
		return Done
	case !slices.Contains(outcomes, Done):
		return NotDone
	}
	return PartlyDone
}
