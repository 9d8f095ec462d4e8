package status

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// bounded returns a text of the platform, of a caller or of an error on one line, without
// characters that cannot be seen or change the direction, and cut after maxText
// characters.
func bounded(text string) string {
	var b strings.Builder
	n := 0
	for _, r := range text {
		if n == maxText {
			b.WriteRune('…')
			break
		}
		b.WriteRune(visible(r))
		n++
	}
	return b.String()
}

// visible returns a space for a character that cannot be seen.
func visible(r rune) rune {
	if !unicode.IsPrint(r) || r == utf8.RuneError {
		return ' '
	}
	return r
}

// boundedAll returns the first of the texts, each bounded.
func boundedAll(texts []string, most int) []string {
	var all []string
	for _, text := range texts[:min(len(texts), most)] {
		all = append(all, bounded(text))
	}
	return all
}

// clock returns the time of day in UTC.
func clock(at time.Time) string { return at.UTC().Format("15:04:05") }

// stamp returns date and time in UTC.
func stamp(at time.Time) string { return at.UTC().Format("2006-01-02 15:04:05 UTC") }

const day = 24 * time.Hour

// span returns a duration in its two greatest units, such as "3 h 5 min".
func span(d time.Duration) string {
	two := func(great, small time.Duration, greatUnit, smallUnit string) string {
		text := strconv.FormatInt(int64(d/great), 10) + " " + greatUnit
		if rest := d % great / small; rest > 0 {
			text += fmt.Sprintf(" %d %s", rest, smallUnit)
		}
		return text
	}
	d = max(0, d)
	switch {
	case d < time.Minute:
		return strconv.Itoa(int(d/time.Second)) + " s"
	case d < 10*time.Minute:
		return two(time.Minute, time.Second, "min", "s")
	case d < time.Hour:
		return strconv.Itoa(int(d/time.Minute)) + " min"
	case d < 2*day:
		return two(time.Hour, time.Minute, "h", "min")
	case d < 14*day:
		return two(day, time.Hour, "days", "h")
	}
	return strconv.Itoa(int(d/day)) + " days"
}

// count returns a number with a noun.
func count[N int | uint64](n N, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return grouped(n) + " " + many
}

// grouped returns a number with a separator between thousands.
func grouped[N int | uint64](n N) string {
	digits := fmt.Sprintf("%d", n)
	var b strings.Builder
	for i, digit := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteRune(',')
		}
		b.WriteRune(digit)
	}
	return b.String()
}

// figure returns a value with three significant digits.
func figure(v float64) string {
	switch {
	case math.IsNaN(v):
		return "–"
	case v == 0:
		return "0"
	case v >= 100:
		return grouped(uint64(math.Round(v)))
	}
	return strconv.FormatFloat(v, 'g', 3, 64)
}

// seconds returns a time that is given in seconds.
func seconds(v float64) string {
	switch {
	case math.IsNaN(v):
		return "–"
	case v < 1:
		return figure(v*1000) + " ms"
	}
	return figure(v) + " s"
}
