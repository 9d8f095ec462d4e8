package ocisim

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// defaultRelease is the release of a platform whose seed names none.
const defaultRelease = 24

// trackingIDSince is the first release that knows the element trackingId. The
// first release of a command stands in the command's row.
const trackingIDSince = 24

// releaseRow is a release that a platform may have.
type releaseRow struct {
	number int
	// version is the platform's version where the seed names none.
	version string
}

var releaseTable = []releaseRow{
	{21, "21sp1"},
	{22, "22"},
	{23, "23"},
	{24, "24"},
	{25, "2022.08"},
}

// Releases are the releases that a platform may have, the oldest first.
func Releases() []int {
	var numbers []int
	for _, row := range releaseTable {
		numbers = append(numbers, row.number)
	}
	return numbers
}

// ParseRelease reads the number of a release. Its error names those that are
// allowed.
func ParseRelease(text string) (int, error) {
	for _, number := range Releases() {
		if text == strconv.Itoa(number) {
			return number, nil
		}
	}
	return 0, fmt.Errorf("%q is not one of %s", text, listed(Releases()))
}

// listed is what is allowed, as in messages.
func listed[T any](allowed []T) string {
	words := make([]string, len(allowed))
	for i, a := range allowed {
		words[i] = fmt.Sprint(a)
	}
	return strings.Join(words, ", ")
}

// versionOf is the version of a platform of that release, "" for an unknown one.
func versionOf(release int) string {
	for _, row := range releaseTable {
		if row.number == release {
			return row.version
		}
	}
	return ""
}

// yearVersion is the form of a version that is a year: 2022.08.
var yearVersion = regexp.MustCompile(`^(Rel_)?20[0-9]{2}([^0-9]|$)`)

// releaseIndependent reports whether the platform's version is a year.
func (s Settings) releaseIndependent() bool { return yearVersion.MatchString(s.Version) }

// knows reports whether the platform has the command.
func (p *Platform) knows(row *commandRow) bool {
	switch {
	case row == nil, row.since > p.settings.Release:
		return false
	case row.releaseIndependent && !p.settings.releaseIndependent():
		return false
	}
	return !slices.ContainsFunc(p.settings.Without, func(glob string) bool {
		ok, err := path.Match(glob, row.name)
		return ok && err == nil
	})
}

// knowsTrackingID reports whether the platform has the element trackingId.
func (p *Platform) knowsTrackingID() bool { return p.settings.Release >= trackingIDSince }
