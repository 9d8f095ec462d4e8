package gateway_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"ocigate/gateway/operation"
)

// The disk of the journal.

// The errors of the simulated network and disk.
var (
	errKilled  = errors.New("this gateway is killed")
	errNoRoute = errors.New("no route to the platform")
	errNoSpace = errors.New("no space left on device")
)

// disk is the store of a journal on a simulated disk. While the disk is full, its calls
// fail, before or after their effect, and the gateway may be killed in any call. It
// reverts the effect of a failed call later, as the contract of operation.Store requires.
type disk struct {
	operation.Store
	gateway *process
	dice    *dice

	mu      sync.Mutex // guards what follows
	until   int        // calls until the gateway is killed, 0 for never
	left    []operation.Operation
	adopted []operation.Operation
}

// callFate is what happens in one call.
type callFate int

const (
	works callFate = iota
	failsBefore
	failsAfter
	killedBefore
	killedBetween
	killedAfter
)

// nextFate decides what happens in the next call.
func (d *disk) nextFate() callFate {
	d.mu.Lock()
	defer d.mu.Unlock()
	g := d.gateway
	switch {
	case g.isKilled():
		return failsBefore
	case d.until > 0:
		if d.until--; d.until == 0 {
			return killedBefore + callFate(d.dice.below(3))
		}
	}
	if g.sim.faultsAllowed() && (g.sim.diskFull.Load() && d.dice.below(4) > 0 || d.dice.oneIn(80)) {
		g.sim.count("journal failed")
		return failsBefore + callFate(d.dice.below(2))
	}
	return works
}

// do makes one call. between is the part of the call that is done if the gateway is killed
// in the middle of it, nil if the call has no such point.
func (d *disk) do(ctx context.Context, name string, call, between func() error) error {
	if !d.gateway.beginCall() {
		return errKilled
	}
	defer d.gateway.calls.Done()
	if err := d.delay(ctx); err != nil {
		return err
	}
	err := d.perform(name, call, between)
	return cmp.Or(d.delay(ctx), err)
}

// delay waits as long as the disk takes, which may be longer than the caller waits.
func (d *disk) delay(ctx context.Context) error {
	if !d.gateway.sim.faultsAllowed() {
		return nil
	}
	limit := 20 * time.Millisecond
	switch n := d.dice.below(200); {
	case n == 0:
		limit = 15 * time.Second
	case n < 10:
		limit = 2 * time.Second
	case n < 100:
		return nil
	}
	select {
	case <-time.After(d.dice.upTo(limit)):
		return nil
	case <-ctx.Done():
		d.gateway.sim.count("journal too slow")
		return ctx.Err()
	}
}

// perform makes a call with what nextFate decides.
func (d *disk) perform(name string, call, between func() error) error {
	switch d.nextFate() {
	case failsBefore:
		d.gateway.sim.logf("journal: %s fails before its effect", name)
		return errNoSpace
	case failsAfter:
		err := call()
		d.gateway.sim.logf("journal: %s fails after its effect (%v)", name, err)
		return errNoSpace // without the store's own error
	case killedBefore:
		d.gateway.kill("before " + name)
		return errKilled
	case killedBetween:
		where := "after "
		if between != nil {
			call, where = between, "in the middle of "
		}
		_ = call()
		d.gateway.kill(where + name)
		return errKilled
	case killedAfter:
		_ = call()
		d.gateway.kill("after " + name)
		return errKilled
	case works:
	}
	return call()
}

func (d *disk) Begin(ctx context.Context, op operation.Operation) error {
	err := d.do(ctx, "Begin", func() error { return d.Store.Begin(ctx, op) }, nil)
	d.leave(op, err)
	return err
}

func (d *disk) Abandon(ctx context.Context, op operation.Operation) error {
	err := d.do(ctx, "Abandon", func() error { return d.Store.Abandon(ctx, op) }, nil)
	d.leave(op, err)
	return err
}

// leave notes an operation that may have to be removed after a failed call.
func (d *disk) leave(op operation.Operation, err error) {
	if errors.Is(err, errNoSpace) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.left = append(d.left, op)
	}
}

func (d *disk) Adopt(ctx context.Context, owner string) (ops []operation.Operation, err error) {
	err = d.do(ctx, "Adopt", func() error {
		d.mu.Lock()
		left := d.left
		d.left = nil
		d.mu.Unlock()
		for _, op := range left {
			_ = d.Store.Abandon(ctx, op)
		}
		ops, err := d.Store.Adopt(ctx, owner)
		d.mu.Lock()
		defer d.mu.Unlock()
		d.adopted = append(d.adopted, ops...)
		return err
	}, nil)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	ops, d.adopted = d.adopted, nil
	for _, op := range ops {
		d.gateway.sim.count("taken over")
		d.gateway.sim.logf("gateway %d takes over %s (%s)", d.gateway.number, op.Caller.RequestID, op.State)
	}
	return ops, nil
}

func (d *disk) Record(ctx context.Context, op operation.Operation, event operation.Event) error {
	name := fmt.Sprintf("Record %s of %s", op.State, op.Caller.RequestID)
	between := func() error { return d.Store.Append(ctx, event) }
	if op.State == operation.Intent {
		between = func() error {
			if event.Kind != "" {
				d.gateway.lostIntent = op.ID
			}
			d.gateway.sim.noteIntent(op)
			return d.Store.Record(ctx, op, event)
		}
	}
	if op.State == operation.Intent && op.Step > 1 {
		name = fmt.Sprintf("Record %s of step %d of %s", op.State, op.Step, op.Caller.RequestID)
		d.disturbIntent()
	}
	err := d.do(ctx, name, func() error {
		err := d.Store.Record(ctx, op, event)
		if err == nil && op.State == operation.Intent {
			d.gateway.sim.noteIntent(op)
		}
		return err
	}, between)
	if err == nil {
		d.gateway.sim.logf("journal: %s, version %d", name, op.Version)
	}
	return err
}

func (d *disk) Append(ctx context.Context, event operation.Event) error {
	return d.do(ctx, "Append", func() error { return d.Store.Append(ctx, event) }, nil)
}

func (d *disk) Head(ctx context.Context) (head operation.Head, err error) {
	err = d.do(ctx, "Head", func() (err error) { head, err = d.Store.Head(ctx); return err }, nil)
	return head, err
}

func (d *disk) Touched(ctx context.Context, op operation.Operation) (touched map[operation.Claim]string, err error) {
	err = d.do(ctx, "Touched", func() (err error) { touched, err = d.Store.Touched(ctx, op); return err }, nil)
	return touched, err
}

func (d *disk) Get(ctx context.Context, id string) (op operation.Operation, err error) {
	err = d.do(ctx, "Get", func() (err error) { op, err = d.Store.Get(ctx, id); return err }, nil)
	return op, err
}

func (d *disk) List(ctx context.Context, q operation.Query) (page []operation.Operation, more bool, err error) {
	err = d.do(ctx, "List", func() (err error) { page, more, err = d.Store.List(ctx, q); return err }, nil)
	return page, more, err
}

func (d *disk) Prune(ctx context.Context, before time.Time) error {
	return d.do(ctx, "Prune", func() error { return d.Store.Prune(ctx, before) }, nil)
}
