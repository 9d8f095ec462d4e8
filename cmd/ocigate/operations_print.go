package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"ocigate/gateway/operation"
)

// printTable prints one line for each operation.
func printTable(to io.Writer, found []operationStatus, more bool) error {
	if len(found) == 0 {
		_, err := fmt.Fprintln(to, "There are no such writes.")
		return err
	}
	now := time.Now()
	table := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "ID\tSTATE\tSINCE\tTENANT\tGROUP\tENDPOINT\tENTRIES\tWHY") // Flush has the error
	for i := range found {
		s := &found[i]
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", s.ID, s.State, ago(since(s), now),
			cell(s.TenantID), cell(s.GroupID), s.Route, entriesOf(s), cell(why(s, now)))
	}
	if err := table.Flush(); err != nil || !more {
		return err
	}
	_, err := fmt.Fprintf(to, "There are more: --limit %d shows them.\n", 10*len(found))
	return err
}

// since returns the time since when an operation is in its state.
func since(s *operationStatus) time.Time {
	switch {
	case s.Over():
		return s.EndedAt
	case s.State == operation.Unknown:
		return s.UnknownAt
	}
	return s.ReceivedAt
}

// ago returns the time that has passed since a time. That may be in the future, if another
// replica took the write over from one that may still send it until then.
func ago(at, now time.Time) string {
	if at.IsZero() {
		return "-"
	}
	return max(0, now.Sub(at)).Round(time.Second).String()
}

// entriesOf returns the first entries of an operation: of those that it holds or, if it
// holds none, of all.
func entriesOf(s *operationStatus) string {
	const most = 2
	var first []string
	more, names, isHeld := 0, s.Names(), heldBy(s)
	for _, e := range s.Entries {
		switch {
		case len(isHeld) > 0 && !isHeld[e.Claim()]:
		case len(first) < most:
			first = append(first, names.Of(e.Claim(), e.Given))
		default:
			more++
		}
	}
	text := strings.Join(cells(first), " ")
	if more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// why returns the reason for the state of an operation.
func why(s *operationStatus, now time.Time) string {
	switch r := s.Readings; {
	case len(s.Releases) > 0 && s.Over():
		last := s.Releases[len(s.Releases)-1]
		return "released by " + last.By + ": " + last.Reason
	case s.State.Ended() && !s.RecheckAt.IsZero():
		return "known by " + string(s.Basis) + ", read once more at " + stamp(s.RecheckAt)
	case s.State.Ended():
		return "known by " + string(s.Basis)
	case s.State != operation.Unknown:
		return "is in progress, or its process has ended unexpectedly"
	case r == nil:
		return "is read back by " + s.Owner + ", whose log has the cause of failures"
	case r.Unrecorded:
		return "its outcome cannot be recorded in the journal"
	case r.Failure != "":
		return "the last reading failed " + ago(r.ReadAt, now) + " ago: " + r.Failure
	case now.Before(r.SettledAt):
		return "the platform may still carry it out until " + stamp(r.SettledAt)
	}
	return "readings do not prove its outcome yet, next reading at " + stamp(s.Readings.NextAt)
}

func stamp(at time.Time) string { return at.UTC().Format(time.RFC3339) }

// printOne prints an operation with all information for operators.
func printOne(to io.Writer, s *operationStatus) error {
	now := time.Now()
	table := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	line := func(name, value string) {
		if value != "" {
			_, _ = fmt.Fprintf(table, "%s\t%s\n", name, cell(value)) // Flush has the error
		}
	}
	at := func(name string, at time.Time) {
		if !at.IsZero() {
			line(name, fmt.Sprintf("%s, %s ago", stamp(at), ago(at, now)))
		}
	}
	line("operation", s.ID)
	line("state", string(s.State))
	line("outcome", string(s.State.Outcome()))
	line("known by", string(s.Basis))
	line("why", why(s, now))
	line("endpoint", s.Route)
	line("tenant", s.TenantID)
	line("group", s.GroupID)
	line("user", s.UserID)
	line("requested by", s.Caller.Principal()+" (request "+s.Caller.RequestID+")")
	line("sent to", s.PlatformEndpoint)
	line("resolved by", s.Owner)
	line("idempotency key", s.Key)
	printTimes(s, line, at)
	printReadings(s.Readings, line, at)
	printClaims(s, line)
	return table.Flush()
}

// printTimes prints the times of an operation.
func printTimes(s *operationStatus, line func(name, value string), at func(string, time.Time)) {
	at("received", s.ReceivedAt)
	at("recorded", s.IntendedAt)
	at("sent", s.SentAt)
	at("unknown since", s.UnknownAt)
	at("over since", s.EndedAt)
	if !s.RecheckAt.IsZero() {
		line("read once more", stamp(s.RecheckAt))
	}
}

// printClaims prints what an operation has and holds, and what was released and corrected.
func printClaims(s *operationStatus, line func(name, value string)) {
	names, isHeld := s.Names(), heldBy(s)
	for _, e := range s.Entries {
		line("entry", names.Of(e.Claim(), e.Given)+": "+entryState(&e, isHeld[e.Claim()])+entryChange(&e))
	}
	for _, c := range s.Claims {
		line("claim", c.Kind+" "+c.Key)
	}
	for _, r := range s.Releases {
		line("released", fmt.Sprintf("%s by %s: %s (%s)", stamp(r.At), r.By, r.Reason, strings.Join(r.Entries, ", ")))
	}
	for _, c := range s.Corrections {
		line("corrected", fmt.Sprintf("%s from %s to %s", stamp(c.At), c.From, c.To))
	}
}

// printReadings prints the state of reading back.
func printReadings(r *operation.ReadBack, line func(name, value string), at func(string, time.Time)) {
	if r == nil {
		return
	}
	line("can prove absence", "from "+stamp(r.SettledAt)+" on")
	at("last reading", r.ReadAt)
	line("it failed", r.Failure)
	line("next reading", stamp(r.NextAt))
}

// heldBy returns the set of the claims that an operation holds.
func heldBy(s *operationStatus) map[operation.Claim]bool {
	held := make(map[operation.Claim]bool, len(s.Held))
	for _, c := range s.Held {
		held[c] = true
	}
	return held
}

func entryState(e *operation.Entry, isHeld bool) string {
	switch {
	case isHeld:
		return "held"
	case e.Outcome != "":
		return string(e.Outcome)
	case e.Released:
		return "released, unknown"
	}
	return string(operation.Unknown)
}

// entryChange returns the intended change of the entry, and an empty text if it is not
// known.
func entryChange(e *operation.Entry) string {
	switch {
	case e.Before == nil && e.After == nil:
		return ""
	case e.Step == 0:
		return fmt.Sprintf(" (%s is %s)", e.Kind, e.After)
	}
	return fmt.Sprintf(" (%s from %s to %s, step %d)", e.Kind, e.Before, e.After, e.Step)
}

// cell returns a text that is safe for a terminal: a text of callers or the platform must
// not control the terminal.
func cell(text string) string {
	const longest = 200
	if runes := []rune(text); len(runes) > longest {
		text = string(runes[:longest]) + "…"
	}
	quoted := strconv.Quote(text)
	if strings.ContainsFunc(text, func(r rune) bool { return !strconv.IsPrint(r) }) || strings.Contains(quoted, `\x`) {
		return quoted
	}
	return text
}

func cells(texts []string) []string {
	out := make([]string, len(texts))
	for i, text := range texts {
		out[i] = cell(text)
	}
	return out
}
