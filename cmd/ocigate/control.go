package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"ocigate/config"
	"ocigate/gateway/operation"
	"ocigate/gateway/operation/bolt"
	"ocigate/translate/scope"
)

// controlSocket is the name of the socket by which a gateway takes the orders of
// its operators, in the folder of its journal.
const controlSocket = "control.sock"

const (
	controlEvery    = 500 * time.Millisecond // between looks at the socket
	controlTime     = 15 * time.Second       // of a call, more than the journal takes
	maxControlBytes = 64 << 10               // of an order
)

// control is the socket of a running gateway: HTTP with JSON, for this very
// program's commands. It is there while the gateway has the folder of its journal.
// Only the user that the gateway runs as can reach it, and root.
type control struct {
	store  *bolt.Store
	folder string
	logger *slog.Logger
	server *http.Server
	end    context.CancelFunc
	work   sync.WaitGroup

	// The rest is run's.
	listener net.Listener
	socket   os.FileInfo
	failure  string // what was logged last
}

// startControl opens the control socket of a gateway with a journal of its own. It
// is nil for any other.
func startControl(store operation.Store, keeper *operation.Keeper, j config.Journal, logger *slog.Logger) *control {
	own, embedded := store.(*bolt.Store)
	if !embedded {
		return nil
	}
	d := &storeDesk{store: store, keeper: keeper, settle: j.Settle}
	c := &control{store: own, folder: j.Folder, logger: logger, server: &http.Server{
		Handler: controlHandler(d), ReadTimeout: controlTime, WriteTimeout: 2 * controlTime,
		ErrorLog: slog.NewLogLogger(logger.Handler(), slog.LevelWarn),
	}}
	ctx, end := context.WithCancel(context.Background())
	c.end = end
	c.work.Go(func() { c.run(ctx) })
	return c
}

// close ends the socket. It must happen before the store is closed.
func (c *control) close() {
	if c == nil {
		return
	}
	c.end()
	_ = c.server.Close()
	c.work.Wait()
}

// run keeps the socket there.
func (c *control) run(ctx context.Context) {
	for {
		c.keepOpen(ctx)
		wait := time.NewTimer(controlEvery)
		select {
		case <-ctx.Done():
			wait.Stop()
			c.remove()
			return
		case <-wait.C:
		}
	}
}

func (c *control) path() string { return filepath.Join(c.folder, controlSocket) }

// isOpen reports whether the socket is where commands look for it.
func (c *control) isOpen() bool {
	if c.listener == nil {
		return false
	}
	now, err := os.Lstat(c.path())
	return err == nil && os.SameFile(now, c.socket)
}

// keepOpen opens the socket where it is not there and the folder is ours. What
// stands in its place is of a process that is gone.
func (c *control) keepOpen(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, controlEvery)
	defer cancel()
	if c.isOpen() || !c.store.Owns(ctx) {
		return
	}
	if c.listener != nil {
		_ = c.listener.Close() // nobody finds it any more
		c.listener = nil
	}
	err := c.listen()
	if err == nil {
		c.failure = ""
		listener := c.listener
		c.work.Go(func() { _ = c.server.Serve(listener) }) // ends with the listener
		return
	}
	if err.Error() != c.failure {
		c.failure = err.Error()
		c.logger.Warn("the control socket cannot be opened: operations cannot be listed or released while this gateway runs", "cause", c.failure)
	}
}

// listen makes the socket in a folder that nobody else may enter, and moves it to
// its place once it has its mode.
func (c *control) listen() error {
	c.tidy()
	private, err := os.MkdirTemp(c.folder, privatePrefix)
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(private) }()
	at := filepath.Join(private, controlSocket)
	err = withShortPath(at, func(short string) error {
		c.listener, err = new(net.ListenConfig).Listen(context.Background(), "unix", short)
		return err
	})
	if err != nil {
		return err
	}
	c.listener.(*net.UnixListener).SetUnlinkOnClose(false) // by then another may have the name
	if err = os.Chmod(at, 0o600); err == nil {
		c.socket, err = os.Lstat(at)
	}
	if err == nil {
		err = os.Rename(at, c.path())
	}
	if err != nil {
		_ = c.listener.Close()
		c.listener = nil
	}
	return err
}

// privatePrefix begins the names of the folders in which sockets are made.
const privatePrefix = ".control-"

// tidy removes the folders of processes that were killed while they made a socket.
func (c *control) tidy() {
	entries, _ := os.ReadDir(c.folder) // of which the rest of listen complains
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), privatePrefix) {
			_ = os.RemoveAll(filepath.Join(c.folder, e.Name()))
		}
	}
}

// remove removes the socket, unless another process has put its own in its place.
func (c *control) remove() {
	if c.isOpen() {
		_ = os.Remove(c.path())
	}
}

// maxSocketPath is the longest path of a socket that every system takes.
const maxSocketPath = 100

// withShortPath gives a name to a socket that is short enough for one.
func withShortPath(path string, do func(short string) error) error {
	if len(path) <= maxSocketPath || runtime.GOOS != "linux" {
		return do(path)
	}
	folder, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer func() { _ = folder.Close() }() // it was only a name
	return do(fmt.Sprintf("/proc/self/fd/%d/%s", folder.Fd(), filepath.Base(path)))
}

// The paths of the control socket.
const (
	controlOperations = "/v1/operations"
	controlRelease    = "/release"
)

// controlHandler is a desk by HTTP.
func controlHandler(d desk) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+controlOperations, func(w http.ResponseWriter, r *http.Request) {
		q, err := parseQuery(r)
		if err != nil {
			answer(w, nil, err)
			return
		}
		found, err := d.list(r.Context(), q)
		answer(w, found, err)
	})
	mux.HandleFunc("GET "+controlOperations+"/{id}", func(w http.ResponseWriter, r *http.Request) {
		found, err := d.show(r.Context(), r.PathValue("id"))
		answer(w, found, err)
	})
	mux.HandleFunc("POST "+controlOperations+"/{id}"+controlRelease, func(w http.ResponseWriter, r *http.Request) {
		var order operation.Release
		err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxControlBytes)).Decode(&order)
		if err != nil {
			answer(w, nil, &operation.ReleaseError{Reason: err.Error()})
			return
		}
		order.ID = r.PathValue("id")
		released, err := d.release(r.Context(), order)
		answer(w, released, err)
	})
	return mux
}

// failure is what a control socket answers where it cannot do as it is told.
type failure struct {
	Error string `json:"error"`
}

func answer(w http.ResponseWriter, body any, err error) {
	status := http.StatusOK
	_, refused := errors.AsType[*operation.ReleaseError](err)
	switch {
	case err == nil:
	case errors.Is(err, operation.ErrNotFound):
		status = http.StatusNotFound
	case refused:
		status = http.StatusConflict
	default:
		status = http.StatusServiceUnavailable
	}
	if err != nil {
		body = failure{err.Error()}
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // who does not wait for it does not want it
}

// The parameters of a query.
const (
	queryTenant = "tenant_id"
	queryGroup  = "group_id"
	queryUser   = "user_id"
	queryState  = "state"
	queryOpen   = "open"
	queryBefore = "before"
	queryLimit  = "limit"
)

func parseQuery(r *http.Request) (operation.Query, error) {
	values := r.URL.Query()
	limit, err := strconv.Atoi(values.Get(queryLimit))
	if err != nil || limit < 1 {
		return operation.Query{}, fmt.Errorf("limit must be 1 or more, not %q", values.Get(queryLimit))
	}
	return operation.Query{
		Target: scope.Target{TenantID: values.Get(queryTenant), GroupID: values.Get(queryGroup), UserID: values.Get(queryUser)},
		State:  operation.State(values.Get(queryState)),
		Open:   values.Has(queryOpen), Before: values.Get(queryBefore), Limit: limit,
	}, nil
}

// readBody reads what a control socket answered.
func readBody(response *http.Response, into any) error {
	if response.StatusCode == http.StatusOK {
		return json.NewDecoder(response.Body).Decode(into)
	}
	text, err := io.ReadAll(io.LimitReader(response.Body, maxControlBytes))
	if err != nil {
		return err
	}
	var said failure
	if json.Unmarshal(text, &said) != nil || said.Error == "" {
		return fmt.Errorf("the gateway answers %s: is it of another version?", response.Status)
	}
	return errors.New(said.Error)
}
