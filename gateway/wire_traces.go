package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"ocigate/gateway/operation"
)

// Limits of the traces of tenants.
const (
	// MaxWireTraces is how many tenants can be traced at the same time.
	MaxWireTraces = 3
	// MaxWireMinutes is how long a trace of a tenant can last.
	MaxWireMinutes = 60

	// What the trace of a tenant logs in a minute at most: lines, and bytes of
	// documents. It is far less than what the log can take.
	maxTenantLines = 600
	maxTenantBytes = 2 << 20
)

// WireTraces are the tenants whose requests are traced: all documents that are exchanged
// with the platform for a request whose path names the tenant are logged, without
// secrets and limited in number and size, for a limited time. Operators start and end a
// trace with the handler, on the listener for operators. The traces do not depend on a
// [Gateway]: one that replaces another goes on with them.
type WireTraces struct {
	logger *slog.Logger
	note   func(context.Context, operation.Event) error

	// active has the traces by tenant. It is replaced, never changed, so that requests
	// can read it without the mutex. Nil for none.
	active atomic.Pointer[map[string]*tenantTrace]

	mu     sync.Mutex // guards changes of active, and closed; not held while a line is logged
	closed bool
}

// NewWireTraces returns no traces. The beginning and the end of each are logged, and
// given to note, which may be nil, for the audit trail. They must be closed.
func NewWireTraces(logger *slog.Logger, note func(context.Context, operation.Event) error) *WireTraces {
	return &WireTraces{logger: logger, note: note}
}

// Close ends all traces, without logging that.
func (t *WireTraces) Close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	for _, trace := range t.all() {
		trace.timer.Stop()
	}
	t.active.Store(nil)
}

// WatchWireTraces adds the number of traced tenants. It is read when the metrics are
// gathered.
func (m *Metrics) WatchWireTraces(t *WireTraces) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "ocigate_wire_traces_active", Help: "Tenants whose exchanges with the platform are logged.",
	}, func() float64 { return float64(len(t.all())) }))
}

// all returns the traces by tenant. The map must not be changed.
func (t *WireTraces) all() map[string]*tenantTrace {
	if active := t.active.Load(); active != nil {
		return *active
	}
	return nil
}

// of returns the trace of a tenant, nil for none.
func (t *WireTraces) of(tenantID string) *tenantTrace {
	if t == nil || tenantID == "" {
		return nil
	}
	return t.all()[tenantID]
}

// swapLocked replaces the trace of a tenant, or removes it if it is nil. The caller holds
// the mutex.
func (t *WireTraces) swapLocked(tenantID string, trace *tenantTrace) {
	next := maps.Clone(t.all())
	if next == nil {
		next = map[string]*tenantTrace{}
	}
	if old := next[tenantID]; old != nil {
		old.timer.Stop()
	}
	delete(next, tenantID)
	if trace != nil {
		next[tenantID] = trace
	}
	t.active.Store(&next)
	if len(next) == 0 {
		t.active.Store(nil)
	}
}

// Errors of WireTraces.
var (
	errNotTraced    = errors.New("the tenant is not traced")
	errTracesClosed = errors.New("the gateway is stopping")
	errNotLogged    = errors.New("log.level is above info, so nothing would be logged: set it to info or debug, and reload")
)

// tooManyTracesError reports that too many other tenants are traced.
type tooManyTracesError struct{ tenants []string }

// Error implements error.
func (e *tooManyTracesError) Error() string {
	return fmt.Sprintf("%d tenants are traced already, the most at a time: %s", len(e.tenants), strings.Join(e.tenants, ", "))
}

// start traces a tenant from now on, for that time. A tenant that is traced already is
// traced for that time from now on.
func (t *WireTraces) start(ctx context.Context, tenantID string, length time.Duration, from string) (wireTrace, error) {
	if !t.logger.Enabled(ctx, slog.LevelInfo) {
		return wireTrace{}, errNotLogged
	}
	trace, err := t.add(tenantID, length)
	if err != nil {
		return wireTrace{}, err
	}
	t.logger.Warn("wire trace of a tenant has begun: what is exchanged with the platform for it is logged", "tenant_id", tenantID, "minutes", length.Minutes(), "client_ip", from)
	t.record(ctx, tenantID, "begun", from)
	return trace.state(), nil
}

// add adds a trace.
func (t *WireTraces) add(tenantID string, length time.Duration) (*tenantTrace, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return nil, errTracesClosed
	}
	if all := t.all(); all[tenantID] == nil && len(all) >= MaxWireTraces {
		return nil, &tooManyTracesError{slices.Sorted(maps.Keys(all))}
	}
	trace := &tenantTrace{tenantID: tenantID, logger: t.logger, begun: time.Now(), length: length}
	trace.timer = time.AfterFunc(length, func() { t.expire(trace) })
	t.swapLocked(tenantID, trace)
	return trace, nil
}

// stop ends the trace of a tenant.
func (t *WireTraces) stop(ctx context.Context, tenantID, from string) (wireTrace, error) {
	t.mu.Lock()
	trace := t.all()[tenantID]
	if trace != nil {
		t.swapLocked(tenantID, nil)
	}
	t.mu.Unlock()
	if trace == nil {
		return wireTrace{}, errNotTraced
	}
	t.ended(ctx, trace, "ended", from)
	return trace.state(), nil
}

// expire ends a trace whose time is over, unless another has replaced it.
func (t *WireTraces) expire(trace *tenantTrace) {
	t.mu.Lock()
	current := t.all()[trace.tenantID] == trace
	if current {
		t.swapLocked(trace.tenantID, nil)
	}
	t.mu.Unlock()
	if current {
		t.ended(context.Background(), trace, "expired", "")
	}
}

// ended logs the end of a trace.
func (t *WireTraces) ended(ctx context.Context, trace *tenantTrace, how, from string) {
	state := trace.state()
	t.logger.Warn("wire trace of a tenant has ended", "tenant_id", trace.tenantID, "reason", how, "logged", state.Logged, "left_out", state.LeftOut, "client_ip", from)
	t.record(ctx, trace.tenantID, how, from)
}

// record adds the beginning or end of a trace to the audit trail. A failure is counted
// and logged by the keeper; it does not prevent the trace.
func (t *WireTraces) record(ctx context.Context, tenantID, what, from string) {
	if t.note == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), noteTimeout)
	defer cancel()
	_ = t.note(ctx, operation.Event{
		Time: time.Now().UTC(), Kind: operation.EventWireTrace, TenantID: tenantID, Outcome: what,
		Caller: operation.Caller{Name: "operator", Method: "admin listener", ClientIP: from},
	})
}

// noteTimeout limits the writing of the audit trail.
const noteTimeout = 5 * time.Second

// tenantTrace is the trace of a tenant.
type tenantTrace struct {
	tenantID string
	logger   *slog.Logger
	begun    time.Time
	length   time.Duration
	timer    *time.Timer // ends it

	mu      sync.Mutex // guards the fields below; not held while a line is logged
	minute  time.Time  // when the present minute began
	lines   int        // logged in it
	bytes   int        // of documents, likewise
	left    int        // left out in it
	logged  int        // in all
	leftAll int        // likewise
}

// take reports whether an exchange with documents of that size may be logged. Once a
// minute, it logs how many were left out in the minute before.
func (t *tenantTrace) take(size int) bool {
	t.mu.Lock()
	left := 0
	if now := time.Now(); now.Sub(t.minute) >= time.Minute {
		left = t.left
		t.minute, t.lines, t.bytes, t.left = now, 0, 0, 0
	}
	fits := t.lines < maxTenantLines && t.bytes+size <= maxTenantBytes
	if fits {
		t.lines++
		t.logged++
		t.bytes += size
	} else {
		t.left++
		t.leftAll++
	}
	t.mu.Unlock()
	if left > 0 {
		t.logger.Warn("wire: exchanges for a traced tenant were left out, because there were too many in a minute", "tenant_id", t.tenantID, "left_out", left)
	}
	return fits
}

// wireTrace is the state of a trace.
type wireTrace struct {
	TenantID  string    `json:"tenant_id"`
	StartedAt time.Time `json:"started_at"`
	EndsAt    time.Time `json:"ends_at"`
	Logged    int       `json:"logged"`
	LeftOut   int       `json:"left_out"`
}

func (t *tenantTrace) state() wireTrace {
	t.mu.Lock()
	defer t.mu.Unlock()
	return wireTrace{
		TenantID: t.tenantID, StartedAt: t.begun.UTC(), EndsAt: t.begun.Add(t.length).UTC(),
		Logged: t.logged, LeftOut: t.leftAll,
	}
}
