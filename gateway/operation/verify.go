package operation

import (
	"cmp"
	"fmt"
	"iter"
)

// BrokenError describes the first line at which an audit trail is not as it was written.
type BrokenError struct {
	Line   int64 // counted from 1 in what was read
	Reason string
}

// Error names the line and the reason.
func (e *BrokenError) Error() string {
	return fmt.Sprintf("operation: audit trail: line %d %s", e.Line, e.Reason)
}

// Trail iterates over the lines of an audit trail in their order, without newlines. A
// line is valid until the next iteration. An error ends the iteration.
type Trail = iter.Seq2[[]byte, error]

// Verify reads a trail from line 1 to its last line, and returns its head. The error is a
// [*BrokenError] for the first line that was changed, left out, moved or added. The trail
// alone does not show whether lines are missing at its end: see [Verification].
func Verify(trail Trail) (Head, error) {
	found, err := Verification{}.Run(trail)
	return found.Head, err
}

// Verification says what a trail must have, beside a chain that is not broken.
type Verification struct {
	// After is the last line that may be missing at the beginning, because it is
	// archived: the trail begins with the line behind it, or with an earlier one and
	// has After. The zero Head means that the trail begins with line 1.
	After Head
	// Heads are lines that the trail must have, such as the head that its store knows
	// and those that were noted elsewhere. A Head before the first line of the trail is
	// an error, unless it is After.
	Heads []Head
}

// Verified is what [Verification.Run] has found in a trail.
type Verified struct {
	First int64 // number of the first line, 0 if there is none
	// Head is the last line that was read. It is After if the trail has no lines.
	Head Head
	// Accepted are the numbers of the lines that say that an operator has accepted that
	// other lines are missing.
	Accepted []int64
}

// HeadError reports that a trail does not have a line that it must have.
type HeadError struct {
	Missing Head
	Reason  string
}

// Error names the line and the reason.
func (e *HeadError) Error() string {
	return fmt.Sprintf("operation: audit trail: it does not have the line %s: %s", e.Missing, e.Reason)
}

// Run reads a trail from its first line to its last. The error is a [*BrokenError] for the
// first line that was changed, left out, moved or added, or a [*HeadError].
func (v Verification) Run(trail Trail) (Verified, error) {
	found, missing := Verified{Head: v.After}, v.missing()
	count := int64(0)
	for line, err := range trail {
		if err != nil {
			return found, err
		}
		count++
		read, err := readLine(line)
		if err != nil {
			return found, &BrokenError{count, err.Error()}
		}
		if reason := v.follows(read, found.Head, count == 1); reason != "" {
			return found, &BrokenError{count, reason}
		}
		if expected, ok := missing[read.head.Sequence]; ok && expected.Hash != read.head.Hash {
			return found, &HeadError{expected, fmt.Sprintf("line %d has another hash, so the trail was written again, or is another one", expected.Sequence)}
		}
		delete(missing, read.head.Sequence)
		found.First, found.Head = cmp.Or(found.First, read.head.Sequence), read.head
		if read.kind == EventTrailAccepted {
			found.Accepted = append(found.Accepted, read.head.Sequence)
		}
	}
	return found, v.reportMissing(missing, found)
}

// missing returns the lines that the trail must have, by number.
func (v Verification) missing() map[int64]Head {
	missing := map[int64]Head{}
	for _, h := range v.Heads {
		if h.Sequence > 0 && h != v.After {
			missing[h.Sequence] = h
		}
	}
	return missing
}

// follows returns why a line cannot be where it is, empty if it can.
func (v Verification) follows(read lineRead, before Head, first bool) string {
	switch {
	case read.head.Sequence == v.After.Sequence && read.head.Hash != v.After.Hash:
		return "is not the line that was archived with this number, which has the hash " + v.After.Hash
	case first && read.head.Sequence <= v.After.Sequence: // an archived line that is still there
		return ""
	case first && read.head.Sequence != before.Sequence+1 && before.Sequence == 0:
		return fmt.Sprintf("has number %d, and the lines before it are missing", read.head.Sequence)
	case read.head.Sequence != before.Sequence+1:
		return fmt.Sprintf("has number %d where %d is due: lines were left out, moved or added", read.head.Sequence, before.Sequence+1)
	case read.previous != before.Hash:
		return "does not follow from the line before it"
	}
	return ""
}

// reportMissing returns an error if the trail lacks one of the lines, the first of them.
func (v Verification) reportMissing(missing map[int64]Head, found Verified) error {
	var first Head
	for _, h := range missing {
		if first.Sequence == 0 || h.Sequence < first.Sequence {
			first = h
		}
	}
	switch {
	case first.Sequence > found.Head.Sequence && found.First == 0:
		return &HeadError{first, "the trail has no lines"}
	case first.Sequence > found.Head.Sequence:
		return &HeadError{first, fmt.Sprintf("the trail ends with line %d, so lines are missing at its end", found.Head.Sequence)}
	case first.Sequence > 0:
		return &HeadError{first, fmt.Sprintf("the trail begins with line %d; verify it together with the archive that has the lines before", max(found.First, v.After.Sequence+1))}
	case found.First > 0 && found.Head.Sequence < v.After.Sequence:
		return &HeadError{v.After, fmt.Sprintf("the trail ends with line %d, before the end of the archive", found.Head.Sequence)}
	}
	return nil
}
