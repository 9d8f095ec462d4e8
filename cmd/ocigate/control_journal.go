package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"time"

	"ocigate/gateway/operation"
)

// controlJournal is the path of the control socket with the state of the journal.
const controlJournal = "/v1/journal"

// journalState is the state of the journal of a running gateway.
type journalState struct {
	Version string `json:"version"` // of the gateway
	Format  int    `json:"format"`  // of the journal
	// Usable reports whether writes can be recorded. If not, Since and Cause are since
	// when, and why.
	Usable bool      `json:"usable"`
	Since  time.Time `json:"unusable_since,omitzero"`
	Cause  string    `json:"cause,omitempty"`
	// Unresolved is how many writes of this gateway are unknown.
	Unresolved int `json:"unresolved"`
}

// withJournalState adds the state of the journal to a handler of the control socket.
func withJournalState(handler http.Handler, keeper *operation.Keeper) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", handler)
	mux.HandleFunc("GET "+controlJournal, func(w http.ResponseWriter, _ *http.Request) {
		state := journalState{Version: versionText(), Format: operation.Format, Usable: true, Unresolved: keeper.Unresolved()}
		if since, err := keeper.JournalState(); err != nil {
			state.Usable, state.Since, state.Cause = false, since, onOneLine(err)
		}
		answer(w, state, nil)
	})
	return mux
}

// errOtherVersion is returned if a gateway answers at the socket and does not report the
// state of its journal.
var errOtherVersion = errors.New("the gateway that has the journal open does not report its state")

// askJournal returns the state of the journal of the gateway that has a folder open. A
// gateway opens its socket shortly after the folder, so it tries until limit has passed.
func askJournal(ctx context.Context, folder string, limit time.Duration) (journalState, error) {
	running, err := dialRunning(ctx, folder, limit)
	if err != nil {
		return journalState{}, err
	}
	defer func() { _ = running.close() }() // never fails
	ctx, cancel := context.WithTimeout(ctx, max(limit, askTime))
	defer cancel()
	var state journalState
	if err := running.call(ctx, http.MethodGet, controlJournal, nil, nil, &state); err != nil {
		return state, fmt.Errorf("%w: %w", errOtherVersion, err)
	}
	return state, nil
}

// dialRunning connects to the gateway that has a folder open. It tries until limit has
// passed.
func dialRunning(ctx context.Context, folder string, limit time.Duration) (*controlClient, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for {
		running, err := dialControl(ctx, folder)
		if err == nil || isUnsafe(err) || errors.Is(err, fs.ErrPermission) {
			return running, err
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(askPause):
		}
	}
}

// askTime and askPause are how long, and with what pauses, a gateway is asked that has the
// folder of a journal open.
const (
	askTime  = 2 * time.Second
	askPause = 100 * time.Millisecond
)
