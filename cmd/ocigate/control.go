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

// controlSocket is the name of the socket in the folder of a journal. Operators' commands
// reach the running gateway by it.
const controlSocket = "control.sock"

const (
	controlEvery    = 500 * time.Millisecond // between checks of the socket
	controlTime     = 15 * time.Second       // for a call; longer than the journal's own timeouts
	maxControlBytes = 64 << 10               // of a request
)

// controlServer serves the control socket of a running gateway: HTTP with JSON, for the
// commands of this program. The socket exists while the gateway has the folder of its
// journal open. Only the user of the gateway, and root, can connect to it.
type controlServer struct {
	store  *bolt.Store
	folder string
	logger *slog.Logger
	server *http.Server
	end    context.CancelFunc
	work   sync.WaitGroup

	// Only the goroutine of run uses the following fields.
	listener net.Listener
	socket   os.FileInfo
	failure  string // last logged error
}

// startControlServer opens the control socket of a gateway with an embedded journal. For
// any other it returns nil.
func startControlServer(store operation.Store, keeper *operation.Keeper, j config.Journal, logger *slog.Logger) *controlServer {
	own, embedded := store.(*bolt.Store)
	if !embedded {
		return nil
	}
	m := &storeManager{store: store, keeper: keeper, settle: j.Settle}
	c := &controlServer{store: own, folder: j.Folder, logger: logger, server: &http.Server{
		Handler: withAudit(withJournalState(controlHandler(m), keeper), own), ReadTimeout: controlTime, WriteTimeout: 2 * controlTime,
		ErrorLog: slog.NewLogLogger(logger.Handler(), slog.LevelWarn),
	}}
	ctx, end := context.WithCancel(context.Background())
	c.end = end
	c.work.Go(func() { c.run(ctx) })
	return c
}

// close closes the socket. It must be called before the store is closed.
func (c *controlServer) close() {
	if c == nil {
		return
	}
	c.end()
	_ = c.server.Close()
	c.work.Wait()
}

// run opens the socket, and opens it again whenever it has disappeared, until ctx ends.
func (c *controlServer) run(ctx context.Context) {
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

func (c *controlServer) path() string { return filepath.Join(c.folder, controlSocket) }

// isOpen reports whether the socket exists at its path and is this server's.
func (c *controlServer) isOpen() bool {
	if c.listener == nil {
		return false
	}
	now, err := os.Lstat(c.path())
	return err == nil && os.SameFile(now, c.socket)
}

// keepOpen opens the socket if it does not exist and this process has the folder open. A
// file at its path is from a process that has ended.
func (c *controlServer) keepOpen(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, controlEvery)
	defer cancel()
	if c.isOpen() || !c.store.Owns(ctx) {
		return
	}
	if c.listener != nil {
		_ = c.listener.Close() // it has no path any more
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
		c.logger.Warn("the control socket cannot be opened: operations cannot be listed or released, and tokens cannot be revoked, while this gateway runs", "cause", c.failure)
	}
}

// listen creates the socket in a folder that no other user can enter, and moves it to its
// path after its mode is set.
func (c *controlServer) listen() error {
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
	c.listener.(*net.UnixListener).SetUnlinkOnClose(false) // the path may be another process's by then
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

// privatePrefix is the prefix of the names of the folders in which sockets are created.
const privatePrefix = ".control-"

// tidy removes the folders of processes that were killed while they created a socket.
func (c *controlServer) tidy() {
	entries, _ := os.ReadDir(c.folder) // the rest of listen reports it
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), privatePrefix) {
			_ = os.RemoveAll(filepath.Join(c.folder, e.Name()))
		}
	}
}

// remove removes the socket, unless another process has replaced it.
func (c *controlServer) remove() {
	if c.isOpen() {
		_ = os.Remove(c.path())
	}
}

// maxSocketPath is the longest path of a socket that every system supports.
const maxSocketPath = 100

// withShortPath calls do with a path of a socket that is short enough. On Linux, a long
// path is replaced by one through the descriptor of its folder.
func withShortPath(path string, do func(short string) error) error {
	if len(path) <= maxSocketPath || runtime.GOOS != "linux" {
		return do(path)
	}
	folder, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer func() { _ = folder.Close() }() // it was only used as a path
	return do(fmt.Sprintf("/proc/self/fd/%d/%s", folder.Fd(), filepath.Base(path)))
}

// The paths of the control socket.
const (
	controlOperations = "/v1/operations"
	controlRelease    = "/release"
	controlEndTokens  = "/v1/tokens/revoke" //nolint:gosec // it is a path
)

// controlHandler serves a manager by HTTP.
func controlHandler(m manager) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+controlOperations, func(w http.ResponseWriter, r *http.Request) {
		q, err := parseQuery(r)
		if err != nil {
			answer(w, nil, err)
			return
		}
		found, err := m.list(r.Context(), q)
		answer(w, found, err)
	})
	mux.HandleFunc("GET "+controlOperations+"/{id}", func(w http.ResponseWriter, r *http.Request) {
		found, err := m.show(r.Context(), r.PathValue("id"))
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
		released, err := m.release(r.Context(), order)
		answer(w, released, err)
	})
	mux.HandleFunc("POST "+controlEndTokens, func(w http.ResponseWriter, r *http.Request) {
		var order operation.EndTokens
		err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxControlBytes)).Decode(&order)
		if err != nil {
			answer(w, nil, &operation.OrderError{Reason: err.Error()})
			return
		}
		answer(w, struct{}{}, m.endTokens(r.Context(), order))
	})
	return mux
}

// failure is the body of an error of the control socket.
type failure struct {
	Error string `json:"error"`
}

// answer writes the body, or the error with its status.
func answer(w http.ResponseWriter, body any, err error) {
	status := http.StatusOK
	_, unreleased := errors.AsType[*operation.ReleaseError](err)
	_, refused := errors.AsType[*operation.OrderError](err)
	switch {
	case err == nil:
	case errors.Is(err, operation.ErrNotFound):
		status = http.StatusNotFound
	case unreleased, refused:
		status = http.StatusConflict
	default:
		status = http.StatusServiceUnavailable
	}
	if err != nil {
		body = failure{err.Error()}
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the client may have disconnected
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

// parseQuery reads the parameters of a list.
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

// readBody reads a response of the control socket, or returns its error.
func readBody(response *http.Response, into any) error {
	if response.StatusCode == http.StatusOK {
		return json.NewDecoder(response.Body).Decode(into)
	}
	text, err := io.ReadAll(io.LimitReader(response.Body, maxControlBytes))
	if err != nil {
		return err
	}
	var failed failure
	if json.Unmarshal(text, &failed) != nil || failed.Error == "" {
		return fmt.Errorf("status %s was returned: the other process may be another version", response.Status)
	}
	return errors.New(failed.Error)
}
