package ocisim

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// defaultRelease is the release of a platform whose seed has none.
const defaultRelease = 24

// trackingIDSince is the first release that supports the element trackingId. The
// first release of a command is in the command's row.
const trackingIDSince = 24

// releaseRow is a release that a platform may have.
type releaseRow struct {
	number int
	// version is the platform's version if the seed has none.
	version string
}

var releaseTable = []releaseRow{
	{21, "21sp1"},
	{22, "22"},
	{23, "23"},
	{24, "24"},
	{25, "2022.08"},
}

// Releases returns the releases that a platform may have, the oldest first.
func Releases() []int {
	var numbers []int
	for _, row := range releaseTable {
		numbers = append(numbers, row.number)
	}
	return numbers
}

// ParseRelease parses the number of a release. Its error lists the allowed ones.
func ParseRelease(text string) (int, error) {
	for _, number := range Releases() {
		if text == strconv.Itoa(number) {
			return number, nil
		}
	}
	return 0, fmt.Errorf("%q is not one of %s", text, listed(Releases()))
}

// listed returns the allowed values for messages.
func listed[T any](allowed []T) string {
	words := make([]string, len(allowed))
	for i, a := range allowed {
		words[i] = fmt.Sprint(a)
	}
	return strings.Join(words, ", ")
}

// versionOf returns the version of a platform of a release; "" for an unknown
// release.
func versionOf(release int) string {
	for _, row := range releaseTable {
		if row.number == release {
			return row.version
		}
	}
	return ""
}

// yearVersion matches a version that is a year, such as 2022.08.
var yearVersion = regexp.MustCompile(`^(Rel_)?20[0-9]{2}([^0-9]|$)`)

// releaseIndependent reports whether the platform's version is a year.
func (s Settings) releaseIndependent() bool { return yearVersion.MatchString(s.Version) }

// supports reports whether the platform has the command.
func (p *Platform) supports(row *commandRow) bool {
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

// supportsTrackingID reports whether the platform has the element trackingId.
func (p *Platform) supportsTrackingID() bool { return p.settings.Release >= trackingIDSince }
