package status

import (
	"html/template"
	"slices"
	"strconv"
	"time"
)

// functions are those of the template.
var functions = template.FuncMap{
	"count":   count[int],
	"grouped": grouped[uint64],
}

// A view is what the template is executed with.
type view struct {
	*Status
	Style   template.CSS
	Refresh int // seconds; 0 for none
	// Self is the address that the page loads again. Without an address, a browser
	// whose address has a fragment would not load the page but go to the fragment. The
	// same address keeps the position.
	Self       string
	ShowConfig bool
	HasConfig  bool
}

// moment is a time as the page shows it.
type moment struct{ ISO, Full, Text string }

func momentOf(at time.Time, text string) moment {
	return moment{at.UTC().Format(time.RFC3339), stamp(at), text}
}

// Ago returns how long ago a time is.
func (v *view) Ago(at time.Time) moment { return momentOf(at, span(v.At.Sub(at))+" ago") }

// For returns how long something has been the case.
func (v *view) For(at time.Time) moment { return momentOf(at, span(v.At.Sub(at))) }

// In returns how long it is until a time.
func (v *view) In(at time.Time) moment {
	if at.Before(v.At) {
		return v.Ago(at)
	}
	return momentOf(at, "in "+span(at.Sub(v.At)))
}

// Stamp returns date and time.
func (v *view) Stamp(at time.Time) moment { return momentOf(at, stamp(at)) }

// Headline returns the heading.
func (v *view) Headline() string { return v.headline() }

// Attention returns the problems that need attention, and Notices the others.
func (v *view) Attention() []Problem { return v.withSeverity(false) }

// Notices returns the problems that need no action now.
func (v *view) Notices() []Problem { return v.withSeverity(true) }

func (v *view) withSeverity(notice bool) []Problem {
	return slices.DeleteFunc(slices.Clone(v.Problems), func(p Problem) bool { return (p.Severity == Notice) != notice })
}

// Missing reports whether a source has not answered.
func (v *view) Missing(source string) bool { return slices.Contains(v.Unanswered, source) }

// Plots returns the plots.
func (v *view) Plots() []plot { return v.plots() }

// A tile is a figure at the top of the page.
type tile struct {
	Name, Value, Detail, Section string
	Severity                     Severity
}

// Tiles returns the figures at the top.
func (v *view) Tiles() []tile {
	var all []tile
	if p := v.Platform; p != nil {
		up, fails, used := 0, 0, "none is in use"
		for _, e := range slices.Backward(p.Endpoints) {
			switch {
			case e.State.fails():
				fails++
			case e.State != NotTried:
				up++
			}
			if e.Idle+e.Busy > 0 {
				used = e.Name + " is in use"
			}
		}
		all = append(all,
			tile{"Endpoints up", strconv.Itoa(up) + " of " + strconv.Itoa(p.EndpointCount), used, sectionPlatform, severityOf(false, fails > 0, fails > 0 && up == 0)},
			tile{"Sessions busy", strconv.Itoa(p.SessionsBusy), strconv.Itoa(p.Sessions) + " logged in, at most " + strconv.Itoa(p.SessionsMax), sectionPlatform, severityOf(false, p.SessionsBusy >= p.SessionsMax, false)},
			tile{"Requests waiting", strconv.Itoa(p.Waiting), "at most " + strconv.Itoa(p.WaitingMax), sectionPlatform, severityOf(p.Waiting > 0, false, p.Waiting > 0 && p.Waiting >= p.WaitingMax)},
		)
	}
	if r := v.Requests; r != nil {
		all = append(all, tile{"Requests, 5 min", grouped(r.Recent), grouped(r.InFlight) + " in progress", sectionTraffic, OK})
		all = append(all, tile{"Failed, 5 min", grouped(r.RecentFailed), "with status 5xx", sectionErrors, severityOf(r.RecentFailed > 0, r.RecentFailed >= fewFailed, false)})
	}
	if u := v.Unknown; u != nil {
		detail := "every outcome is known"
		if u.Count > 0 {
			detail = "the oldest for " + span(v.At.Sub(u.Oldest))
		}
		all = append(all, tile{"Unknown writes", grouped(u.Count), detail, sectionWrites, severityOf(u.Count > 0, u.Count > 0 && v.At.Sub(u.Oldest) >= longUnknown, false)})
	}
	return all
}

// severityOf returns the greatest severity that holds.
func severityOf(notice, warning, fault bool) Severity {
	switch {
	case fault:
		return Fault
	case warning:
		return Warning
	case notice:
		return Notice
	}
	return OK
}

// OtherVersion returns the version that a platform reports, unless it is the release.
func (v *view) OtherVersion(e Endpoint) string {
	if e.PlatformVersion == strconv.Itoa(e.Release) {
		return ""
	}
	return e.PlatformVersion
}

// StateWords returns the state of an endpoint, and StateClass how it looks.
func (v *view) StateWords(e Endpoint) string { return e.State.words(e.NextTryAt, v.At) }

// StateClass returns the class of an endpoint's state.
func (v *view) StateClass(e Endpoint) string { return e.State.class() }

// CertificateClass returns how the expiry of a certificate looks.
func (v *view) CertificateClass(at time.Time) string {
	switch left := at.Sub(v.At); {
	case left < 0:
		return "bad"
	case left < soon:
		return "wait"
	}
	return "plain"
}

// Expired reports whether a certificate has expired.
func (v *view) Expired(notAfter time.Time) bool { return notAfter.Before(v.At) }

// Name returns what a certificate is.
func (v *view) Name(c Certificate) string { return nameOf(c) }

// RefreshChoices returns the intervals that the page offers.
func (v *view) RefreshChoices() []int { return []int{5, 10, 60} }

// Link returns the address of the page with other parameters.
func (v *view) Link(refresh int, config bool) string {
	link := pathPage + "?refresh=" + strconv.Itoa(refresh)
	if config {
		link += "&config=1"
	}
	return link
}
