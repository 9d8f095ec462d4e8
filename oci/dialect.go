package oci

import (
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Release is the number of a release of the platform, such as 24.
type Release int

// ReleaseUnknown is no release. In [Options] it means that the release is to be
// detected.
const ReleaseUnknown Release = 0

// releaseOfYear is what a platform counts as whose version is a year, such as
// 2022.08: it is independent of releases, and knows what Release 25 knows.
const releaseOfYear Release = 25

// firstYear is more than any release.
const firstYear = 2000

// parseRelease returns the release in a platform's version: its first number.
// The published schema has a token there; public clients have seen "24",
// "21sp1", "Rel_24.0_1.944" and "2022.08".
func parseRelease(version string) Release {
	digits := strings.TrimLeftFunc(version, func(r rune) bool { return r < '0' || r > '9' })
	if end := strings.IndexFunc(digits, func(r rune) bool { return r < '0' || r > '9' }); end >= 0 {
		digits = digits[:end]
	}
	n, err := strconv.Atoi(digits)
	switch {
	case err != nil || n < 1:
		return ReleaseUnknown
	case n >= firstYear:
		return releaseOfYear
	}
	return Release(n)
}

// feature is a thing that is asked for in another form, or not at all, where
// the platform's release does not know it.
type feature struct {
	name  string // in statistics and logs
	forms []form // in order of preference
	// without says what is done on a platform that has none of the forms.
	without string
	// optional: when the platform closes the connection twice in a row in
	// response to a form, that counts as unsupported.
	optional bool
	// cautious leaves the feature out while the release is not known.
	cautious bool
}

// form is a command or an element of documents.
type form struct {
	name  string
	since Release // the first release that has it; 0 for all
	// elements makes the elements of the command from those of the first
	// form. Where it is nil they are the same.
	elements func([]Element) []Element
}

// dialectTable is everything that depends on the platform's release, by the
// published schemas of R17sp4 and R21 to R25. What it does not name is the same
// in all of them.
var dialectTable = slices.Concat([]feature{
	{
		name: "tracking_id", cautious: true, without: "left out",
		forms: []form{{name: "trackingId", since: 24}},
	}, {
		name: "session_login", optional: true,
		forms: []form{
			{name: "LoginRequest22V5", since: 24},
			{name: "LoginRequest22V2", since: 22},
			{name: "AuthenticationRequest"}, // and LoginRequest14sp4
		},
	}, {
		name: "verification", optional: true, without: "a login on a connection of its own",
		forms: []form{
			{name: "AuthenticationVerifyRequest22V4", since: 24},
			{name: "AuthenticationVerifyRequest14sp8"},
		},
	}, {
		name: "version", optional: true, without: "unknown",
		forms: []form{
			{name: "SystemSoftwareVersionGetRequest"},
			{name: "SystemSoftwareVersionGetRequestRI"}, // of systems independent of releases
		},
	}, {
		// Every release has the first form. The second is for a platform that
		// has dropped it.
		name: "tenant",
		forms: []form{
			{name: "ServiceProviderGetRequest17sp1"},
			{name: "ServiceProviderGetRequest22V4", since: 24},
		},
	}, {
		name: "service_authorization",
		forms: []form{
			{name: "GroupServiceGetAuthorizationRequest", since: 22},
			// It lists all services of the group.
			{name: "GroupServiceGetAuthorizationListRequest", elements: onlyGroup},
		},
	}, {
		name: "departments", optional: true, without: "names are taken from the paths",
		forms: []form{{name: "GroupDepartmentGetListRequest18", since: 21}},
	},
}, prefixFeatures())

// prefixFeatures are the commands on number prefixes, which came a release after
// those on number ranges.
func prefixFeatures() []feature {
	var features []feature
	for _, command := range []string{
		"GroupRouteListEnterpriseTrunkNumberPrefixGetSummaryListRequest",
		"GroupRouteListEnterpriseTrunkNumberPrefixGetAvailableListRequest",
		"GroupRouteListEnterpriseTrunkNumberPrefixAssignListRequest",
		"GroupRouteListEnterpriseTrunkNumberPrefixUnassignListRequest",
		"ServiceProviderRouteListEnterpriseTrunkNumberPrefixGetAvailableListRequest",
		"ServiceProviderRouteListEnterpriseTrunkNumberPrefixGetSummaryListRequest",
	} {
		features = append(features, feature{
			name: "prefixes", without: "not available",
			forms: []form{{name: command, since: 22}},
		})
	}
	return features
}

// onlyGroup keeps serviceProviderId and groupId, with which the commands of a
// group begin.
func onlyGroup(elements []Element) []Element { return elements[:min(2, len(elements))] }

// features are those of the table by the name of their first form, which is the
// one that callers ask for.
var features = func() map[string]*feature {
	byForm := map[string]*feature{}
	for i := range dialectTable {
		byForm[dialectTable[i].forms[0].name] = &dialectTable[i]
	}
	return byForm
}()

// The features that the client itself looks up.
var (
	trackingFeature = features["trackingId"]
	loginFeature    = features["LoginRequest22V5"]
	verifyFeature   = features["AuthenticationVerifyRequest22V4"]
	versionFeature  = features["SystemSoftwareVersionGetRequest"]
)

// formOf is the feature of each form, by the form's name.
var formOf = func() map[string]*feature {
	byForm := map[string]*feature{}
	for i := range dialectTable {
		for _, form := range dialectTable[i].forms {
			byForm[form.name] = &dialectTable[i]
		}
	}
	return byForm
}()

// Features are the names of what differs between releases, each once.
func Features() []string {
	var names []string
	for _, f := range dialectTable {
		if !slices.Contains(names, f.name) {
			names = append(names, f.name)
		}
	}
	return names
}

// OlderForms returns the names of the commands that a client may send in the
// place of that one, on a platform whose release does not know it.
func OlderForms(command string) []string {
	var names []string
	if f := features[command]; f != nil {
		for _, form := range f.forms[1:] {
			names = append(names, form.name)
		}
	}
	return names
}

// closedConnections in a row, in response to the same optional form, mean that
// the platform does not have it. One alone may be an outage.
const closedConnections = 2

// closedApart is how far apart two such ends must be to count as two: one outage
// ends all commands under way at once.
const closedApart = time.Second

// Of some forms it is an inference that they are not supported: from closed
// connections, or from validation errors that no answer to another form bears
// out. They are tried again after suspected, and where that fails, after twice
// as long, up to suspectedMax.
const (
	suspected    = 10 * time.Minute
	suspectedMax = 24 * time.Hour
)

// dialect is what one endpoint of the platform is known to understand: by its
// release, and by how it has answered. It is safe for use by several goroutines.
type dialect struct {
	fixed   Release // set by the options, else ReleaseUnknown
	changed func(Dialect)

	order sync.Mutex // keeps the calls of changed in order; locked before mu

	mu        sync.Mutex // guards what follows
	detected  Release
	version   string    // as the platform reports it
	askedAt   time.Time // when the version was asked for; zero where it must be asked for
	refused   map[string]refusedForm
	answered  map[string]bool      // forms that it has answered, be it with a refusal
	closed    map[string]closings  // by form
	odd       map[string]oddAnswer // by form
	announced *Dialect             // the last argument of changed
}

// refusedForm is a form that the platform does not have, whatever its release.
type refusedForm struct {
	until time.Time // zero for good
	times int       // in a row, where it is not for good
}

// closings are the connections that the platform has closed in response to a
// form, in a row.
type closings struct {
	count int
	last  time.Time
}

// oddAnswer is a validation error of a form that nothing stands in for.
type oddAnswer struct{ document string } // that got it, by its key

func newDialect(fixed Release, changed func(Dialect)) *dialect {
	d := &dialect{fixed: fixed, changed: changed}
	d.forget()
	return d
}

// forget drops all that answers have shown. The caller holds the mutex, or is
// the only user.
func (d *dialect) forget() {
	d.refused, d.answered, d.closed, d.odd = map[string]refusedForm{}, map[string]bool{}, map[string]closings{}, map[string]oddAnswer{}
}

// announce calls changed with what is known, where that is news. Before the
// version was asked for the first time, there is nothing to announce.
func (d *dialect) announce() {
	d.order.Lock()
	defer d.order.Unlock()
	d.mu.Lock()
	now := d.snapshot()
	last := d.announced
	news := last == nil && !d.askedAt.IsZero() ||
		last != nil && (last.Release != now.Release || last.Version != now.Version || !slices.Equal(last.Fallbacks, now.Fallbacks))
	if news {
		d.announced = &now
	}
	d.mu.Unlock()
	if news {
		d.changed(now)
	}
}

// release is the one in force. The caller holds the mutex.
func (d *dialect) release() Release {
	if d.fixed != ReleaseUnknown {
		return d.fixed
	}
	return d.detected
}

// has reports whether the platform has a form, as far as is known. The caller
// holds the mutex.
func (d *dialect) has(f *feature, form form) bool {
	if refused, ok := d.refused[form.name]; ok && (refused.until.IsZero() || time.Now().Before(refused.until)) {
		return false
	}
	release := d.release()
	return release == ReleaseUnknown && !f.cautious || release != ReleaseUnknown && form.since <= release
}

// first is the preferred form of those that the platform has. The caller holds
// the mutex.
func (d *dialect) first(f *feature) (form, bool) {
	for _, form := range f.forms {
		if d.has(f, form) {
			return form, true
		}
	}
	return form{}, false
}

// form is the form in which a feature is to be asked for. It reports false where
// the platform has none.
func (d *dialect) form(f *feature) (form, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.first(f)
}

// tracks reports whether a document may carry a tracking id. A login or a
// verification (certain) carries one only where the platform has answered a
// document with one: its release may be detected or set wrongly.
func (d *dialect) tracks(certain bool) bool {
	form, ok := d.form(trackingFeature)
	return ok && (!certain || d.hasAnswered(form.name))
}

// forms are those that the platform has, in order of preference.
func (d *dialect) forms(f *feature) []form {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(f.forms), func(form form) bool { return !d.has(f, form) })
}

// formsAfter are the forms that the platform has, after the one of that name.
func (d *dialect) formsAfter(f *feature, name string) []form {
	forms := d.forms(f)
	return forms[1+slices.IndexFunc(forms, func(form form) bool { return form.name == name }):]
}

// translate returns the commands in the forms that the platform has. The error
// is an [*UnsupportedError].
func (d *dialect) translate(endpoint string, commands []Command) ([]Command, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var translated []Command // nil as long as it would be the same
	for i, c := range commands {
		f := features[c.Name()]
		if f == nil {
			continue
		}
		form, ok := d.first(f)
		if !ok {
			return nil, &UnsupportedError{Endpoint: endpoint, Command: c.Name(), Release: d.release()}
		}
		if form.name != c.Name() {
			if translated == nil {
				translated = slices.Clone(commands)
			}
			translated[i] = form.of(c)
		}
	}
	if translated == nil {
		return commands, nil
	}
	return translated, nil
}

// of is a command in another form than its first.
func (f form) of(c Command) Command {
	elements := c.Elements()
	if f.elements != nil {
		elements = f.elements(elements)
	}
	if _, writes := c.(Write); writes {
		return NewWrite(f.name, elements...)
	}
	return NewRead(f.name, elements...)
}

// noteAnswered records that the platform has answered a form, be it with a
// refusal, and so has it.
func (d *dialect) noteAnswered(name string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.noteAnsweredLocked(name)
}

// noteAnsweredLocked is noteAnswered for a caller who holds the mutex. It writes
// only what is new, since it is called for every answer.
func (d *dialect) noteAnsweredLocked(name string) {
	if !d.answered[name] {
		d.answered[name] = true
		delete(d.refused, name) // it was tried again
	}
	if d.closed[name].count > 0 {
		delete(d.closed, name)
	}
	if _, ok := d.odd[name]; ok {
		delete(d.odd, name)
	}
}

// noteAnswers records the answers to a document, none of which is a validation
// error.
func (d *dialect) noteAnswers(document outgoing) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if document.trackingID != "" {
		d.noteAnsweredLocked(trackingFeature.forms[0].name)
	}
	for _, c := range document.commands {
		if formOf[c.Name()] != nil {
			d.noteAnsweredLocked(c.Name())
		}
	}
}

// hasAnswered reports whether the platform has answered a form before, so that a
// validation error in answer to it is not due to the release.
func (d *dialect) hasAnswered(name string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.answered[name]
}

// refuse records that the platform does not have some forms, whatever its
// release. An answer to another form has shown it.
func (d *dialect) refuse(names ...string) {
	if len(names) == 0 {
		return
	}
	d.mu.Lock()
	for _, name := range names {
		d.refused[name] = refusedForm{}
		delete(d.answered, name)
	}
	d.mu.Unlock()
	d.announce()
}

// suspect records for a time that the platform does not have a form.
func (d *dialect) suspect(name string) {
	d.mu.Lock()
	times := d.refused[name].times
	d.refused[name] = refusedForm{until: time.Now().Add(doubled(suspected, times, suspectedMax)), times: times + 1}
	delete(d.answered, name)
	d.mu.Unlock()
	d.announce()
}

// reconsider drops what is known of the forms of a feature.
func (d *dialect) reconsider(f *feature) {
	d.mu.Lock()
	for _, form := range f.forms {
		delete(d.refused, form.name)
	}
	d.mu.Unlock()
	d.announce()
}

// wasClosed records a connection that the platform closed in response to an
// optional form, and reports whether that means that it does not have it: where
// it is the second time in a row. Ends that are too close to each other count
// as one.
func (d *dialect) wasClosed(name string, apart time.Duration) bool {
	d.mu.Lock()
	c, now := d.closed[name], time.Now()
	if c.count == 0 || now.Sub(c.last) >= apart {
		c.count++
		c.last = now
	}
	enough := c.count >= closedConnections
	if d.closed[name] = c; enough {
		delete(d.closed, name)
	}
	d.mu.Unlock()
	if enough {
		d.suspect(name)
	}
	return enough
}

// wasOdd records a validation error of a form that nothing stands in for. What
// the document says may be to blame: only where another document got one as well
// since the last answer to the form, and the release is not known to have it,
// the platform does not have it.
func (d *dialect) wasOdd(f *feature, document string) {
	name := f.forms[0].name
	d.mu.Lock()
	release := d.release()
	last, again := d.odd[name]
	d.odd[name] = oddAnswer{document}
	d.mu.Unlock()
	if again && last.document != document && (release == ReleaseUnknown || f.optional) {
		d.suspect(name)
	}
}

// mustDetect reports whether a new session has to ask for the version: the
// first one, one after a session has ended that we did not end, and one later
// on where the release is still unknown.
func (d *dialect) mustDetect() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	unknown := d.detected == ReleaseUnknown && time.Since(d.askedAt) >= suspected
	return d.fixed == ReleaseUnknown && (d.askedAt.IsZero() || unknown)
}

// settle records that there is nothing to detect.
func (d *dialect) settle() {
	d.mu.Lock()
	if d.askedAt.IsZero() {
		d.askedAt = time.Now()
	}
	d.mu.Unlock()
	d.announce()
}

// recheck has the next session ask for the version: one has ended that we did
// not end, and the platform behind the endpoint may be another one since.
func (d *dialect) recheck() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.askedAt = time.Time{}
}

// detect records the version that the platform reports, empty where it does not
// report one. With another version than before, all is learned anew.
func (d *dialect) detect(version string) {
	d.mu.Lock()
	if version != "" && version != d.version {
		if d.version != "" {
			d.forget()
		}
		d.version, d.detected = version, parseRelease(version)
	}
	d.askedAt = time.Now()
	d.mu.Unlock()
	d.announce()
}

// Dialect is what an endpoint of the platform is known to understand.
type Dialect struct {
	// Release is ReleaseUnknown where it could not be detected, or not yet.
	Release Release
	// Set reports whether the release is that of the options, not detected.
	Set bool
	// Version is what the platform reports, empty where it was not asked or
	// does not say.
	Version string
	// Fallbacks are the features that are used in another form than the first,
	// in the order of the table.
	Fallbacks []Fallback
}

// Fallback is what is done in the place of a feature's first form.
type Fallback struct {
	Feature string // one of [Features]
	Use     string // the name of a command, or a few words
}

// current is what is known at this moment.
func (d *dialect) current() Dialect {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.snapshot()
}

// snapshot is current for a caller who holds the mutex.
func (d *dialect) snapshot() Dialect {
	now := Dialect{Release: d.release(), Set: d.fixed != ReleaseUnknown, Version: d.version}
	for i := range dialectTable {
		f := &dialectTable[i]
		use := f.without
		if form, ok := d.first(f); ok {
			use = form.name
		}
		if use == f.forms[0].name || slices.ContainsFunc(now.Fallbacks, func(b Fallback) bool { return b.Feature == f.name }) {
			continue
		}
		now.Fallbacks = append(now.Fallbacks, Fallback{f.name, use})
	}
	return now
}

// UnsupportedError reports that the platform does not have a command, in none of
// its forms. The platform has not done it.
type UnsupportedError struct {
	Endpoint string
	Command  string // in its first form
	// Release is the endpoint's, ReleaseUnknown where that is not known.
	Release Release
	// Err is how the platform refused it. It is nil where the release was
	// enough to know.
	Err error
}

func (e *UnsupportedError) Error() string {
	release := "its release"
	if e.Release != ReleaseUnknown {
		release = "release " + strconv.Itoa(int(e.Release))
	}
	text := "oci: endpoint " + e.Endpoint + ": " + release + " does not know " + e.Command
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

func (e *UnsupportedError) Unwrap() error { return e.Err }

func (*UnsupportedError) notDone() {}
