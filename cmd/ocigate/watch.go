package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"
)

// Intervals of the watch of files.
const (
	// watchQuiet is how long files must be unchanged before they are read: a
	// certificate and its key are usually written one after the other.
	watchQuiet = time.Second
	// watchLongest is how long a reload waits for that: a file that changes all the time
	// must not prevent that others are picked up.
	watchLongest = 30 * time.Second
	// watchPause is the time after an event before files are compared. Other files of a
	// folder may change all the time, such as a log.
	watchPause = 200 * time.Millisecond
	// watchEvery is the time between checks without an event: file systems of other
	// machines report none.
	watchEvery = time.Minute
)

// A fileWatch notices when files of the effective configuration change. It watches their
// folders, and those of the files that symbolic links lead to: mounted secrets are
// replaced by changing a link, and editors replace files.
type fileWatch struct {
	program *Program
	events  *fsnotify.Watcher // nil if the system has no more of them: then only the time counts
	folders map[string]bool   // those that are watched
	again   func() error      // repeats a reload that has failed for a cause that passes; nil without one
	againAt time.Time         // not before
}

// fileContents are digests of files, by name. A file that cannot be read has the digest
// of its error.
type fileContents map[string][sha256.Size]byte

// seenFiles are the contents of the watched files when they were last read for a reload,
// also for one that failed.
type seenFiles struct {
	mu   sync.Mutex // guards last; not held while files are read
	last fileContents
}

func (s *seenFiles) get() fileContents {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last
}

func (s *seenFiles) set(contents fileContents) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = contents
}

// WatchFiles reloads the configuration when its files change, until the returned function
// is called: certificates and secrets always, and the configuration's file with
// reload.watch.
func (p *Program) WatchFiles() (stop func()) {
	w := &fileWatch{program: p, folders: map[string]bool{}}
	var err error
	if w.events, err = fsnotify.NewWatcher(); err != nil {
		p.logger.Warn("changes of certificates and secrets are noticed late: the system cannot watch files", "cause", err.Error(), "interval_seconds", watchEvery.Seconds())
		w.events = nil
	}
	p.seen.set(p.contents())
	w.follow()
	return p.background(w.run)
}

// run watches until ctx ends.
func (w *fileWatch) run(ctx context.Context) {
	if w.events != nil {
		defer func() { _ = w.events.Close() }() // nothing is lost by it
	}
	for w.wait(ctx, watchEvery) {
		w.repeat()
		for {
			w.follow() // first: what changes after it causes an event
			now, changed := w.settled(ctx)
			if !changed {
				break
			}
			w.reload(now)
		}
	}
}

// repeat makes a reload again that has failed for a cause that passes, if it is due.
func (w *fileWatch) repeat() {
	if w.again != nil && !time.Now().Before(w.againAt) {
		w.note(w.again, w.again())
	}
}

// note stores a reload, to be made again if it has failed for a cause that passes.
func (w *fileWatch) note(reload func() error, err error) {
	w.again, w.againAt = nil, time.Now().Add(watchEvery)
	if _, passes := errors.AsType[*passingError](err); passes {
		w.again = reload
	}
}

// wait waits for an event of a watched folder or for a reload, at most for that long. After
// an event it collects others for watchPause. It reports whether ctx has not ended.
func (w *fileWatch) wait(ctx context.Context, longest time.Duration) bool {
	timer := time.NewTimer(longest)
	defer timer.Stop()
	var events chan fsnotify.Event
	var failures chan error
	if w.events != nil {
		events, failures = w.events.Events, w.events.Errors
	}
	select {
	case <-ctx.Done():
		return false
	case <-w.program.reloads: // other files may be named now
	case <-events:
		return w.pause(ctx, watchPause)
	case <-failures: //nolint:errcheck // events were lost, whatever the reason
		return w.pause(ctx, watchPause)
	case <-timer.C:
	}
	return true
}

// pause waits, and then discards the events that have arrived. It reports whether ctx has
// not ended.
func (w *fileWatch) pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
	}
	w.discardEvents()
	return true
}

// settled reports whether the files differ from those that were read last. It waits
// until they have been unchanged for watchQuiet, but not longer than watchLongest.
func (w *fileWatch) settled(ctx context.Context) (now fileContents, changed bool) {
	now = w.program.contents()
	if now.equal(w.program.seen.get()) {
		return now, false
	}
	for start := time.Now(); ; {
		if !w.pause(ctx, watchQuiet) {
			return now, false
		}
		later := w.program.contents()
		if later.equal(now) || time.Since(start) >= watchLongest {
			now = later
			return now, !now.equal(w.program.seen.get())
		}
		now = later
	}
}

// discardEvents removes the events that have arrived.
func (w *fileWatch) discardEvents() {
	if w.events == nil {
		return
	}
	for {
		select {
		case <-w.events.Events:
		default:
			return
		}
	}
}

// reload reloads the configuration after its files have changed.
func (w *fileWatch) reload(now fileContents) {
	p, reload := w.program, w.program.Reread
	if p.configOf().Reload.Watch && now[p.file] != p.seen.get()[p.file] {
		reload = p.Reload
	}
	again := func() error {
		_, err := reload(filesTrigger) // it logs the error
		return err
	}
	w.note(again, again())
}

// watchedFiles returns the names of the files that are watched.
func (p *Program) watchedFiles() []string {
	g := p.current.Load()
	var names []string
	if g.config.Reload.Watch && p.file != "" {
		names = append(names, p.file)
	}
	for _, s := range g.config.FileSecrets() {
		names = append(names, s.File)
	}
	for _, f := range g.parts.certificates.files {
		names = append(names, f.names()...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// contents reads the files that are watched.
func (p *Program) contents() fileContents {
	now := fileContents{}
	now.addNew(p.watchedFiles())
	return now
}

// digestOf returns the digest of a file. It does not read a pipe or a device, which could
// block or take the content from the next reader.
func digestOf(name string) [sha256.Size]byte {
	info, err := os.Stat(name)
	if err == nil && !info.Mode().IsRegular() {
		return sha256.Sum256([]byte(info.Mode().String()))
	}
	text, err := os.ReadFile(name) //nolint:gosec // the operator names it
	if err != nil {
		text = []byte(err.Error())
	}
	return sha256.Sum256(text)
}

// addNew reads the files of these names that it does not have yet.
func (c fileContents) addNew(names []string) {
	for _, name := range names {
		if _, known := c[name]; !known {
			c[name] = digestOf(name)
		}
	}
}

// equal reports whether the files that both have are the same.
func (c fileContents) equal(other fileContents) bool {
	for name, content := range c {
		if before, known := other[name]; known && before != content {
			return false
		}
	}
	return true
}

// follow watches the folders of the files that are watched now, and no others.
func (w *fileWatch) follow() {
	if w.events == nil {
		return
	}
	wanted := map[string]bool{}
	for _, name := range w.program.watchedFiles() {
		for _, folder := range foldersOf(name) {
			wanted[folder] = true
		}
	}
	for folder := range w.folders {
		if !wanted[folder] {
			_ = w.events.Remove(folder) // it may have disappeared
			delete(w.folders, folder)
		}
	}
	for folder := range wanted {
		// A folder that was replaced must be added again, although its name is the same.
		if err := w.events.Add(folder); err == nil {
			w.folders[folder] = true
		}
	}
}

// maxLinks is the largest number of symbolic links that are followed from a file.
const maxLinks = 8

// foldersOf returns the folders in which a change replaces the content of a file: its own
// and, if the file or its folder is a symbolic link, those that the links lead to.
func foldersOf(name string) []string {
	var folders []string
	add := func(folder string) {
		if !slices.Contains(folders, folder) {
			folders = append(folders, folder)
		}
	}
	name, err := filepath.Abs(name)
	if err != nil {
		return nil
	}
	for range maxLinks {
		add(filepath.Dir(name))
		target, err := os.Readlink(name)
		if err != nil {
			break
		}
		if !filepath.IsAbs(target) {
			target = filepath.Join(filepath.Dir(name), target)
		}
		name = target
	}
	// Links among the folders themselves.
	if resolved, err := filepath.EvalSymlinks(name); err == nil {
		add(filepath.Dir(resolved))
	}
	for folder := filepath.Dir(name); strings.Count(folder, string(filepath.Separator)) > 1; folder = filepath.Dir(folder) {
		if info, err := os.Lstat(folder); err == nil && info.Mode()&os.ModeSymlink != 0 {
			add(filepath.Dir(folder))
		}
	}
	return folders
}
