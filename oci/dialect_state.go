package oci

import (
	"maps"
	"slices"
	"sync"
	"time"
)

// closedConnections in a row, in response to the same optional form, mean that the
// platform does not support the form. One alone may be an outage.
const closedConnections = 2

// closedApart is the least time between two closed connections that count as two:
// one outage ends all commands that are being processed at the same time.
const closedApart = time.Second

// A form is suspected if it seems unsupported without proof: because of closed
// connections, or of validation errors without a reply to another form. It is tried
// again after the time suspected. If that fails, the time doubles, up to
// suspectedMax.
const (
	suspected    = time.Minute
	suspectedMax = 24 * time.Hour
)

// dialect is what one endpoint is known to support: by its release, and by its
// replies. It is safe for use by several goroutines.
//
// The states of a form, and the next state after each event:
//
//	state        any other reply  validation error   connection closed       time
//	unproven     answered         unproven (1)       unproven, suspected (2) -
//	answered     answered         answered           answered, suspected (2) -
//	suspected    answered (3)     suspected (3)      suspected, twice as     on trial
//	                                                 long (3)
//	on trial     answered         (1)                suspected, twice as     -
//	                                                 long
//	unsupported  answered (3)     unsupported (3)    unsupported (3)         -
//
//	(1) If a reply to another form of the same command shows that the release does
//	    not support this one, it becomes unsupported. A form without alternatives
//	    becomes suspected after validation errors of two different documents, unless
//	    the release is known and the form is not optional. Otherwise the state stays.
//	    A reply with the version counts as a reply before it is validated.
//	(2) Suspected after closedConnections in a row, of optional forms only.
//	(3) Such a form is not sent any more, but sessions of the same endpoint may have
//	    sent it before.
//
// A form that is suspected or unsupported is not sent. Forms that are unproven,
// answered or on trial are sent if the release supports them. Another version of
// the platform makes all forms unproven. A login that fails with the last method, other
// than by a refusal, makes the suspected and unsupported forms of the login unproven. The
// fields are: refused (suspected and on trial with until, unsupported without), answered,
// and neither for unproven.
type dialect struct {
	fixed   Release       // set by the options, else ReleaseUnknown
	changed func(Dialect) // called with order locked, without mu

	// order keeps the calls of changed in order. It is locked before mu, and is held
	// during the calls.
	order sync.Mutex

	// mu guards the fields below. It is never held during I/O or a call of changed.
	// Functions that need it held have the suffix Locked.
	mu        sync.Mutex
	detected  Release
	version   string    // as the platform reports it
	askedAt   time.Time // when the version was asked for; zero if it must be asked for
	refused   map[string]refusedForm
	answered  map[string]bool     // forms that the platform has answered, also with a refusal
	closed    map[string]closings // by form
	odd       map[string]string   // by form without alternatives: the key of the document of its last validation error
	announced *Dialect            // the last argument of changed
}

// refusedForm is a form that the platform does not support, whatever its release.
type refusedForm struct {
	until time.Time // zero for always
	times int       // in a row; 0 for always
}

// closings counts the connections in a row that the platform has closed in response
// to a form.
type closings struct {
	count int
	last  time.Time
}

func newDialect(fixed Release, changed func(Dialect)) *dialect {
	d := &dialect{fixed: fixed, changed: changed}
	d.resetLocked() // no other goroutine has it yet
	return d
}

// clone returns a dialect with the same knowledge, for another endpoint object.
func (d *dialect) clone(changed func(Dialect)) *dialect {
	d.mu.Lock()
	defer d.mu.Unlock()
	return &dialect{
		fixed: d.fixed, changed: changed, detected: d.detected, version: d.version, askedAt: d.askedAt, announced: d.announced,
		refused: maps.Clone(d.refused), answered: maps.Clone(d.answered), closed: maps.Clone(d.closed), odd: maps.Clone(d.odd),
	}
}

// resetLocked discards what the replies have shown. The caller holds the mutex.
func (d *dialect) resetLocked() {
	d.refused, d.answered, d.closed, d.odd = map[string]refusedForm{}, map[string]bool{}, map[string]closings{}, map[string]string{}
}

// announce calls changed if what is known has changed. It does not do so before the
// version was asked for the first time. It is called without the mutexes.
func (d *dialect) announce() {
	d.order.Lock()
	defer d.order.Unlock()
	d.mu.Lock()
	now := d.snapshotLocked()
	last := d.announced
	differs := last == nil && !d.askedAt.IsZero() ||
		last != nil && (last.Release != now.Release || last.Version != now.Version || !slices.Equal(last.Fallbacks, now.Fallbacks))
	if differs {
		d.announced = &now
	}
	d.mu.Unlock()
	if differs {
		d.changed(now)
	}
}

// releaseLocked returns the effective release: that of the options, or the detected
// one. The caller holds the mutex.
func (d *dialect) releaseLocked() Release {
	if d.fixed != ReleaseUnknown {
		return d.fixed
	}
	return d.detected
}

// effectiveRelease returns the release of the options, or the detected one.
func (d *dialect) effectiveRelease() Release {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.releaseLocked()
}

// supportsLocked reports whether the platform supports a form, as far as is known.
// The caller holds the mutex.
func (d *dialect) supportsLocked(f *feature, form form) bool {
	if refused, ok := d.refused[form.name]; ok && (refused.until.IsZero() || time.Now().Before(refused.until)) {
		return false
	}
	release := d.releaseLocked()
	return release == ReleaseUnknown && !f.cautious || release != ReleaseUnknown && form.since <= release
}

// firstLocked returns the first form of a feature that the platform supports. The
// caller holds the mutex.
func (d *dialect) firstLocked(f *feature) (form, bool) {
	for _, form := range f.forms {
		if d.supportsLocked(f, form) {
			return form, true
		}
	}
	return form{}, false
}

// takesTrackingID reports whether a document may have a tracking id, as far as is
// known.
func (d *dialect) takesTrackingID() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	_, ok := d.firstLocked(trackingFeature)
	return ok
}

// hasAnsweredTrackingID reports whether the platform has answered a document with a
// tracking id, which proves that it supports them.
func (d *dialect) hasAnsweredTrackingID() bool {
	return d.hasAnswered(trackingFeature.forms[0].name)
}

// forms returns the forms of a feature that the platform supports, in order of
// preference.
func (d *dialect) forms(f *feature) []form {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(f.forms), func(form form) bool { return !d.supportsLocked(f, form) })
}

// formsAfter returns the forms that the platform supports, after the one of that
// name.
func (d *dialect) formsAfter(f *feature, name string) []form {
	forms := d.forms(f)
	return forms[1+slices.IndexFunc(forms, func(form form) bool { return form.name == name }):]
}

// translate returns the commands in the forms that the platform supports. The error
// is an [*UnsupportedError].
func (d *dialect) translate(endpoint string, commands []Command) ([]Command, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var translated []Command // nil as long as no command differs
	for i, c := range commands {
		f := features[c.Name()]
		if f == nil {
			continue
		}
		form, ok := d.firstLocked(f)
		if !ok {
			return nil, &UnsupportedError{Endpoint: endpoint, Command: c.Name(), Release: d.releaseLocked()}
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

// noteAnswered records that the platform has answered a command, also with a
// refusal. If the command is a form of the table, the platform supports it.
func (d *dialect) noteAnswered(name string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.noteAnsweredLocked(name)
}

// noteAnsweredLocked is noteAnswered for a caller who holds the mutex. It writes
// only changes, since it is called for every reply.
func (d *dialect) noteAnsweredLocked(name string) {
	if formOf[name] == nil {
		return
	}
	if !d.answered[name] {
		d.answered[name] = true
		delete(d.refused, name) // it was on trial, or was sent before it was refused
	}
	if d.closed[name].count > 0 {
		delete(d.closed, name)
	}
	delete(d.odd, name)
}

// noteAnswers records the replies to a document, none of which is a validation
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

// hasAnswered reports whether the platform has answered a form before. A validation
// error of that form is then not due to the release.
func (d *dialect) hasAnswered(name string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.answered[name]
}

// noteUnsupported records that the platform does not support some forms, whatever its
// release. A reply to another form has proved it.
func (d *dialect) noteUnsupported(names ...string) {
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

// suspect records for a limited time that the platform does not support a form.
func (d *dialect) suspect(name string) {
	d.mu.Lock()
	times := d.refused[name].times
	d.refused[name] = refusedForm{until: time.Now().Add(doubled(suspected, times, suspectedMax)), times: times + 1}
	delete(d.answered, name)
	d.mu.Unlock()
	d.announce()
}

// retryForms makes the forms of a feature count as supported again.
func (d *dialect) retryForms(f *feature) {
	d.mu.Lock()
	for _, form := range f.forms {
		delete(d.refused, form.name)
	}
	d.mu.Unlock()
	d.announce()
}

// noteClosed records a connection that the platform closed in response to an
// optional form, and reports whether the form counts as unsupported from now on. It
// does after closedConnections in a row, or after the first if the form is suspected or
// on trial.
// Closed connections less than apart from each other count as one.
func (d *dialect) noteClosed(name string, apart time.Duration) bool {
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

// noteInvalid records a validation error of a form without alternatives. The content
// of the document may be the cause. So the form is suspected only if a different
// document has got a validation error, too, since the last reply to the form, and the
// release is unknown or the form optional.
func (d *dialect) noteInvalid(f *feature, document string) {
	name := f.forms[0].name
	d.mu.Lock()
	release := d.releaseLocked()
	last, again := d.odd[name]
	d.odd[name] = document
	d.mu.Unlock()
	if again && last != document && (release == ReleaseUnknown || f.optional) {
		d.suspect(name)
	}
}

// mustDetect reports whether a new session must ask for the version: the first one,
// the first after a session has ended that the client did not close, and one from
// time to time while the release is unknown.
func (d *dialect) mustDetect() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	unknown := d.detected == ReleaseUnknown && time.Since(d.askedAt) >= suspected
	return d.fixed == ReleaseUnknown && (d.askedAt.IsZero() || unknown)
}

// noteDetectionSkipped records that no version is asked for.
func (d *dialect) noteDetectionSkipped() {
	d.mu.Lock()
	if d.askedAt.IsZero() {
		d.askedAt = time.Now()
	}
	d.mu.Unlock()
	d.announce()
}

// recheck makes the next session ask for the version, because a session has ended
// that the client did not close: the platform behind the endpoint may have been
// replaced.
func (d *dialect) recheck() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.askedAt = time.Time{}
}

// noteVersion records the version that the platform reports; empty if it does not
// report one. A version that differs from the one before resets all forms.
func (d *dialect) noteVersion(version string) {
	d.mu.Lock()
	if version != "" && version != d.version {
		if d.version != "" {
			d.resetLocked()
		}
		d.version, d.detected = version, parseRelease(version)
	}
	d.askedAt = time.Now()
	d.mu.Unlock()
	d.announce()
}

// Dialect is what an endpoint is known to support.
type Dialect struct {
	// Release is ReleaseUnknown if it was not detected, or not yet.
	Release Release
	// Set reports whether the release is that of the options, not detected.
	Set bool
	// Version is what the platform reports; empty if it was not asked, or did not
	// report one.
	Version string
	// Fallbacks are the features that are used in another form than the first,
	// in the order of the table.
	Fallbacks []Fallback
}

// Fallback is what the client does instead of using the first form of a feature.
type Fallback struct {
	Feature string // one of [Features]
	Use     string // the name of a command, or a short text such as "left out"
}

// current returns what is known now.
func (d *dialect) current() Dialect {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.snapshotLocked()
}

// snapshotLocked returns what is known now. The caller holds the mutex.
func (d *dialect) snapshotLocked() Dialect {
	now := Dialect{Release: d.releaseLocked(), Set: d.fixed != ReleaseUnknown, Version: d.version}
	for i := range dialectTable {
		f := &dialectTable[i]
		use := f.without
		if form, ok := d.firstLocked(f); ok {
			use = form.name
		}
		if use == f.forms[0].name || slices.ContainsFunc(now.Fallbacks, func(b Fallback) bool { return b.Feature == f.name }) {
			continue
		}
		now.Fallbacks = append(now.Fallbacks, Fallback{f.name, use})
	}
	return now
}
