package oci

import (
	"slices"
	"sync"
	"time"
)

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
	suspected    = time.Minute
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
	answered  map[string]bool     // forms that it has answered, be it with a refusal
	closed    map[string]closings // by form
	odd       map[string]string   // the document, by its key, of a form's last validation error; of forms that nothing stands in for
	announced *Dialect            // the last argument of changed
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

func newDialect(fixed Release, changed func(Dialect)) *dialect {
	d := &dialect{fixed: fixed, changed: changed}
	d.forget()
	return d
}

// forget drops all that answers have shown. The caller holds the mutex, or is
// the only user.
func (d *dialect) forget() {
	d.refused, d.answered, d.closed, d.odd = map[string]refusedForm{}, map[string]bool{}, map[string]closings{}, map[string]string{}
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

// inForce is release for a caller who does not hold the mutex.
func (d *dialect) inForce() Release {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.release()
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

// noteAnswered records that the platform has answered a command, be it with a
// refusal. Where that is a form of the table, it has the form.
func (d *dialect) noteAnswered(name string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.noteAnsweredLocked(name)
}

// noteAnsweredLocked is noteAnswered for a caller who holds the mutex. It writes
// only what is new, since it is called for every answer.
func (d *dialect) noteAnsweredLocked(name string) {
	if formOf[name] == nil {
		return
	}
	if !d.answered[name] {
		d.answered[name] = true
		delete(d.refused, name) // it was tried again
	}
	if d.closed[name].count > 0 {
		delete(d.closed, name)
	}
	delete(d.odd, name)
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
		d.noteAnsweredLocked(c.Name())
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
// it is the second time in a row, or the first since it was suspected and tried
// again. Ends that are too close to each other count as one.
func (d *dialect) wasClosed(name string, apart time.Duration) bool {
	d.mu.Lock()
	c, now := d.closed[name], time.Now()
	if c.count == 0 || now.Sub(c.last) >= apart {
		c.count++
		c.last = now
	}
	enough := c.count >= closedConnections || d.refused[name].times > 0
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
	d.odd[name] = document
	d.mu.Unlock()
	if again && last != document && (release == ReleaseUnknown || f.optional) {
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
