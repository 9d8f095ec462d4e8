package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"ocigate/oci"
)

// A notifier reports to systemd what the service does, by the protocol of sd_notify(3), and
// gives its watchdog a sign of life as long as no part of the program hangs.
//
// No caller waits for systemd: messages are queued, and one goroutine sends them. A nil
// notifier does nothing.
type notifier struct {
	logger   *slog.Logger
	send     func(message string) error // may block while systemd does not read
	parts    []vitalPart
	status   func() string // one line while the program serves
	every    time.Duration // between two checks of the parts
	watchdog bool          // systemd expects signs of life
	messages chan string   // to be sent
	checking atomic.Pointer[string]
	unheard  bool // the last message could not be sent; only the goroutine of run uses it

	mu    sync.Mutex // guards phase, and that messages are queued in the order of its changes
	phase servicePhase
}

// A vitalPart is a part of the program without which it does not serve. check returns an
// error if it fails, and does not return if it hangs.
type vitalPart struct {
	name  string
	check func() error
}

type servicePhase int

// The phases of the service.
const (
	phaseStarting servicePhase = iota
	phaseServing
	phaseStopping
)

const (
	// notifyEvery is the longest time between two checks, and so between a change of
	// the status and its report.
	notifyEvery = 5 * time.Second
	// maxNotifications is how many messages wait at most while systemd does not read. It
	// reads nothing then in which a further one could matter.
	maxNotifications = 64
	// stopReserve is the time for the end of the process after the program has stopped.
	stopReserve = 5 * time.Second
)

// notifySocket is the environment variable with the address of systemd's socket. The
// program starts no other processes, which could inherit it.
const notifySocket = "NOTIFY_SOCKET"

// notifySystemd makes the program report to the systemd that has started it as a service,
// until the returned function is called. It must be called before [Program.Run].
func (p *Program) notifySystemd() (stop func()) {
	if os.Getenv(notifySocket) == "" {
		return func() {}
	}
	limit, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		p.logger.Warn("the watchdog of systemd gets no signs of life", "cause", err.Error())
	}
	p.notify = newNotifier(p.logger, limit, p.vitalParts(), p.statusLine)
	p.notify.send = func(message string) error {
		_, err := daemon.SdNotify(false, message)
		return err
	}
	return p.background(p.notify.run)
}

// newNotifier returns a notifier without its function to send. limit is the time after
// which the watchdog kills the process, 0 without one.
func newNotifier(logger *slog.Logger, limit time.Duration, parts []vitalPart, status func() string) *notifier {
	n := &notifier{
		logger: logger, parts: parts, status: status, every: notifyEvery,
		watchdog: limit > 0, messages: make(chan string, maxNotifications),
	}
	if n.watchdog {
		n.every = min(notifyEvery, limit/2)
	}
	return n
}

// ready reports that the program serves.
func (n *notifier) ready() {
	if n == nil {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.phase = phaseServing
	n.queue(daemon.SdNotifyReady)
}

// reloading reports that a reload begins. The returned function reports its end, whether or
// not anything has changed. The program serves meanwhile.
func (n *notifier) reloading() (ended func()) {
	if !n.whileServing(fmt.Sprintf("%s\nMONOTONIC_USEC=%d", daemon.SdNotifyReloading, monotonicMicroseconds())) {
		return func() {}
	}
	return func() { n.whileServing(daemon.SdNotifyReady) }
}

// whileServing queues a message if the program serves, and reports whether it does.
func (n *notifier) whileServing(message string) bool {
	if n == nil {
		return false
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.phase != phaseServing {
		return false
	}
	n.queue(message)
	return true
}

// stopping reports that the program stops: it serves for another drain, and ends within
// limit. That time counts, also if TimeoutStopSec of the unit is shorter.
func (n *notifier) stopping(drain, limit time.Duration) {
	if n == nil {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.phase = phaseStopping
	n.queue(fmt.Sprintf("%s\nEXTEND_TIMEOUT_USEC=%d\nSTATUS=stopping, requests are served for another %v",
		daemon.SdNotifyStopping, (limit + stopReserve).Microseconds(), drain))
}

// notifyStop reports that the program stops after a drain of that time.
func (p *Program) notifyStop(drain time.Duration) {
	p.notify.stopping(drain, drain+p.configOf().HTTP.ShutdownTimeout)
}

// queue queues a message without waiting. The caller holds mu.
func (n *notifier) queue(message string) {
	select {
	case n.messages <- message:
	default: // systemd has not read for long
	}
}

func (n *notifier) isIn(phase servicePhase) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.phase == phase
}

// run sends messages and checks the parts until ctx ends. Then it sends the messages that
// are queued.
func (n *notifier) run(ctx context.Context) {
	ticker := time.NewTicker(n.every)
	defer ticker.Stop()
	c := checks{results: make(chan checked, 1)}
	for {
		select {
		case message := <-n.messages:
			n.try(message)
			n.startCheck(&c) // the status may have changed
		case result := <-c.results:
			c.underWay = false
			n.report(&c, result)
		case <-ticker.C:
			n.tick(&c)
		case <-ctx.Done():
			n.flush()
			return
		}
	}
}

// checks is the state of the checks. Only the goroutine of run uses it, apart from results.
type checks struct {
	underWay bool
	results  chan checked // holds one
	cause    string       // why the last one fails or hangs, as it is logged; "" if it does not
	said     string       // the status that was sent last
}

// checked is the result of a check.
type checked struct {
	err    error // of the parts that fail
	status string
}

// tick starts the next check, unless the program stops: what hangs then is left behind in
// time, and a kill would abort requests.
func (n *notifier) tick(c *checks) {
	switch {
	case n.isIn(phaseStopping):
		n.alive()
	case c.underWay:
		n.note(c, *n.checking.Load()+" hangs")
	default:
		n.startCheck(c)
	}
}

// startCheck starts a check if the program serves and none is under way.
func (n *notifier) startCheck(c *checks) {
	if c.underWay || !n.isIn(phaseServing) {
		return
	}
	c.underWay = true
	n.checking.Store(new("the program")) // until the check of the first part begins
	go func() { c.results <- n.check() }()
}

// note logs why the parts of the program do not pass the check, if that is new.
func (n *notifier) note(c *checks, cause string) {
	if c.cause != cause {
		c.cause = cause
		text := "a part of the program does not work"
		if n.watchdog {
			text += ": unless it works soon, the watchdog of systemd ends the process"
		}
		n.logger.Error(text, "cause", cause)
	}
}

// check checks the parts one after the other, and then reads the status.
func (n *notifier) check() checked {
	var failures []error
	for _, part := range n.parts {
		n.checking.Store(&part.name)
		if err := part.check(); err != nil {
			failures = append(failures, fmt.Errorf("%s: %w", part.name, err))
		}
	}
	n.checking.Store(new("the status"))
	return checked{errors.Join(failures...), n.status()}
}

// report reports the result of a check, and the status if it has changed.
func (n *notifier) report(c *checks, got checked) {
	if got.err != nil {
		n.note(c, onOneLine(got.err))
	} else {
		c.cause = ""
		n.alive()
	}
	if got.status != c.said && n.isIn(phaseServing) && n.try("STATUS="+got.status) {
		c.said = got.status
	}
}

// alive gives the watchdog a sign of life.
func (n *notifier) alive() {
	if n.watchdog {
		n.try(daemon.SdNotifyWatchdog)
	}
}

// flush sends the messages that are queued.
func (n *notifier) flush() {
	for {
		select {
		case message := <-n.messages:
			n.try(message)
		default:
			return
		}
	}
}

// try sends a message, and reports whether it could. It logs a failure once, until a message has
// been sent again. Only the goroutine of run calls it.
func (n *notifier) try(message string) bool {
	err := n.send(message)
	switch {
	case err != nil && !n.unheard:
		n.logger.Warn("systemd could not be notified", "cause", err.Error())
	case err == nil && n.unheard:
		n.logger.Info("systemd can be notified again")
	}
	n.unheard = err != nil
	return err == nil
}

// vitalParts returns the parts whose hanging only a restart can end. None of them waits for
// a disk or a network: after a restart, a journal or a platform that hangs would still
// hang, and the outcomes of writes in flight would be unknown. The handler is called without
// a connection, because a rule for packets or a lack of descriptors must not look like
// a program that hangs.
func (p *Program) vitalParts() []vitalPart {
	return []vitalPart{
		{"the handler for operators", p.checkLiveness},
		{"the connections", func() error { p.connections(); p.api.current(); p.admin.current(); return nil }},
		{"the client of the platform", func() error { p.client.Stats(); return nil }},
		{"the journal's keeper", func() error { p.keeper.Unresolved(); return nil }},
	}
}

// checkLiveness requests livez from the handler for operators.
func (p *Program) checkLiveness() error {
	request, err := http.NewRequestWithContext(context.Background(), http.MethodGet, "/livez", http.NoBody)
	if err != nil {
		return err
	}
	response := &statusWriter{header: http.Header{}, status: http.StatusOK}
	p.admin.handler.ServeHTTP(response, request)
	if response.status != http.StatusOK {
		return fmt.Errorf("livez returns status %d", response.status)
	}
	return nil
}

// statusWriter is a response of which only the status is kept.
type statusWriter struct {
	header http.Header
	status int
}

// Header implements http.ResponseWriter.
func (w *statusWriter) Header() http.Header { return w.header }

// WriteHeader implements http.ResponseWriter.
func (w *statusWriter) WriteHeader(status int) { w.status = status }

// Write implements http.ResponseWriter.
func (*statusWriter) Write(p []byte) (int, error) { return len(p), nil }

// statusLine returns what "systemctl status" shows while the program serves. It contains no
// texts of the platform or of callers.
func (p *Program) statusLine() string {
	up, all := endpointsUp(p.client.Stats())
	facts := []string{fmt.Sprintf("serving, %d of %d platform endpoints up", up, all)}
	if _, err := p.keeper.JournalState(); err != nil {
		facts = append(facts, "writes are refused: the journal cannot be used")
	}
	if unknown := p.keeper.Unresolved(); unknown > 0 {
		facts = append(facts, fmt.Sprintf("writes with an unknown outcome: %d", unknown))
	}
	if !p.lastReload.get().Successful {
		facts = append(facts, "the last reload failed")
	}
	return strings.Join(facts, ", ")
}

// endpointsUp returns how many endpoints of the platform can be used, of how many.
func endpointsUp(stats oci.Stats) (up, all int) {
	for _, e := range stats.Endpoints {
		if isUp(e) {
			up++
		}
	}
	return up, len(stats.Endpoints)
}
