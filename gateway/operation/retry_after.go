package operation

import "time"

// The longest times that RetryAfter returns for an operation that is running. Another process
// may have stopped, and its operations are usually taken over within that time. It is also how
// often to ask for an operation of another process that could be known, and is not.
const (
	longestOwn   = 30 * time.Second
	longestOther = 5 * time.Second
)

// RetryAfter returns how long to wait until something new may be known of an operation, at least
// a second, and 0 if it has ended:
//
//   - one that is running: as long as it has been running, since nothing else is known of the
//     rest. So whoever asks again and again asks the less often, the longer it takes.
//   - one that was taken over, and was not read back since: until the first reading, which shows
//     most effects.
//   - one whose outcome this process has found out since it was read: a second.
//   - any other one that is unknown: until a reading without its effect is proof, and
//     after that until the next reading.
func (k *Keeper) RetryAfter(op *Operation) time.Duration {
	if op.Over() {
		return 0
	}
	now := time.Now()
	k.mu.Lock()
	defer k.mu.Unlock()
	if op.State.Running() {
		longest := longestOther
		if k.running[op.ID] != nil {
			longest = longestOwn
		}
		return min(max(now.Sub(op.ReceivedAt), time.Second), longest)
	}
	until := op.UnknownAt.Add(k.options.Settle + betweenReadings)
	open, own := k.open[op.ID]
	if own && open.op.Over() || !own && op.Owner == k.options.Owner {
		return time.Second // what is due, if anything, is another reading of an outcome that is known
	}
	if !own && !until.After(now) {
		return longestOther
	}
	if own {
		until = open.since.Add(k.options.Settle + betweenReadings)
		if next := open.due.Add(betweenReadings); !until.After(now) || open.taken && open.readAt.IsZero() && next.Before(until) {
			until = next
		}
	}
	return max(time.Second, until.Sub(now))
}
