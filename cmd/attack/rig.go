//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"ocigate/cmd/internal/measure"

	"github.com/prometheus/procfs"
)

// patience is how long a process may take to start or to stop.
const patience = 20 * time.Second

// quietClients is the number of listed clients.
const quietClients = 10

// clientSecret is the secret of all listed clients.
const clientSecret = "attack-attack-attack"

// rig is a gateway in front of the simulated platform. The gateway believes the rig's
// X-Forwarded-For, so that requests can come from any address.
type rig struct {
	dir       string
	processes []*exec.Cmd
	gateway   procfs.Proc
	api       string
	admin     string
	client    *http.Client
}

const configuration = `
http: {listen: %q, drain: 0s, trusted_proxies: [127.0.0.1/32]}
admin: {listen: %q}
journal: {folder: %q}
platform:
  endpoints: [{name: attack, address: %q, tls: {enabled: false}}]
  user_id: gateway
  password: gateway-demo
auth:
  clients:
`

// start starts both processes and waits until the gateway is ready.
func start(ctx context.Context, binary, dir string) (*rig, error) {
	folder, err := os.MkdirTemp(dir, "row-")
	if err != nil {
		return nil, err
	}
	ports, err := measure.FreePorts(ctx, 3)
	if err != nil {
		return nil, err
	}
	transport := &http.Transport{MaxIdleConnsPerHost: 512, MaxConnsPerHost: 0}
	r := &rig{dir: folder, api: "http://" + ports[0], admin: "http://" + ports[1], client: &http.Client{Transport: transport}}
	if err := r.configure(ctx, binary, ports); err != nil {
		return nil, err
	}
	if _, err := r.run(ctx, binary, "simulate", "--listen", ports[2]); err != nil {
		return nil, err
	}
	if err := accepting(ctx, ports[2]); err != nil {
		return nil, errors.Join(err, r.stop())
	}
	serve, err := r.run(ctx, binary, "serve", "--config", filepath.Join(folder, "ocigate.yaml"))
	if err != nil {
		return nil, errors.Join(err, r.stop())
	}
	if r.gateway, err = procfs.NewProc(serve.Process.Pid); err == nil {
		err = r.ready(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, r.stop())
	}
	return r, nil
}

// configure writes the configuration, with the hashes of the listed clients.
func (r *rig) configure(ctx context.Context, binary string, ports []string) error {
	text := fmt.Appendf(nil, configuration, ports[0], ports[1], filepath.Join(r.dir, "journal"), ports[2])
	for i := range quietClients {
		hash, err := measure.Hash(ctx, binary, clientSecret)
		if err != nil {
			return err
		}
		text = fmt.Appendf(text, "    - {id: %s, hash: %q, level: system}\n", quietClient(i), hash)
	}
	return os.WriteFile(filepath.Join(r.dir, "ocigate.yaml"), text, 0o600)
}

func quietClient(i int) string { return fmt.Sprintf("quiet-%d", i) }

// run starts a process, whose output goes to a file.
func (r *rig) run(ctx context.Context, binary string, arguments ...string) (*exec.Cmd, error) {
	log, err := os.Create(filepath.Join(r.dir, arguments[0]+".log"))
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }()                        // the process has it
	command := exec.CommandContext(ctx, binary, arguments...) //nolint:gosec // the binary that is to be attacked
	command.Stdout, command.Stderr, command.Env = log, log, []string{}
	if err := command.Start(); err != nil {
		return nil, err
	}
	r.processes = append(r.processes, command)
	return command, nil
}

// stop ends the processes.
func (r *rig) stop() error {
	r.client.CloseIdleConnections()
	var errs []error
	for _, p := range r.processes {
		timer := time.AfterFunc(patience, func() { _ = p.Process.Kill() })
		errs = append(errs, p.Process.Signal(syscall.SIGTERM), p.Wait())
		timer.Stop()
	}
	return errors.Join(errs...)
}

// accepting waits until somebody listens at an address. A gateway that is faster than the
// platform would begin in backoff.
func accepting(ctx context.Context, address string) error {
	for end := time.Now().Add(patience); ; {
		c, err := new(net.Dialer).DialContext(ctx, "tcp", address)
		if err == nil {
			return c.Close()
		}
		if time.Now().After(end) {
			return err
		}
		if err := measure.Pause(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
}

// ready waits until readyz is on.
func (r *rig) ready(ctx context.Context) error {
	for end := time.Now().Add(patience); ; {
		got, err := r.send(ctx, http.MethodGet, r.admin+"/readyz", "", nil)
		if err == nil && got.status == http.StatusOK {
			return nil
		}
		if time.Now().After(end) {
			log, unread := os.ReadFile(filepath.Join(r.dir, "serve.log"))
			return errors.Join(err, unread, fmt.Errorf("the gateway is not ready: %.2000s", log))
		}
		if err := measure.Pause(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
}

// response is the status of a response, its size, and the time that it took.
type response struct {
	status int
	body   []byte
	took   time.Duration
}

// send sends a request.
func (r *rig) send(ctx context.Context, method, url, body string, header http.Header) (response, error) {
	request, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return response{}, err
	}
	request.Header = header
	began := time.Now()
	got, err := r.client.Do(request)
	if err != nil {
		return response{}, err
	}
	text, err := io.ReadAll(got.Body)
	err = errors.Join(err, got.Body.Close())
	return response{got.StatusCode, text, time.Since(began)}, err
}

// login logs a user in from an address.
func (r *rig) login(ctx context.Context, address, user, password string) (response, error) {
	body := fmt.Sprintf(`{"username":%q,"password":%q}`, user, password)
	return r.send(ctx, http.MethodPost, r.api+"/api/v1/login/", body, http.Header{
		"Content-Type": {"application/json"}, "X-Forwarded-For": {address},
	})
}

// asClient sends a request with the credentials of a client from an address.
func (r *rig) asClient(ctx context.Context, address, id, secret string) (response, error) {
	credentials := base64.StdEncoding.EncodeToString([]byte(id + ":" + secret))
	return r.send(ctx, http.MethodGet, r.api+"/api/v1/", "", http.Header{
		"Authorization": {"Basic " + credentials}, "X-Forwarded-For": {address},
	})
}

// cpu returns the CPU time of the gateway so far, in seconds.
func (r *rig) cpu() (float64, error) {
	stat, err := r.gateway.Stat()
	return stat.CPUTime(), err
}

// peak returns the largest resident memory of the gateway so far, in MB.
func (r *rig) peak() (float64, error) {
	status, err := r.gateway.NewStatus()
	return float64(status.VmHWM) / 1e6, err
}

// trail returns the size of the audit trail in bytes.
func (r *rig) trail() (float64, error) {
	files, err := filepath.Glob(filepath.Join(r.dir, "journal", "audit-*.jsonl"))
	if err != nil {
		return 0, err
	}
	sum := 0.0
	for _, file := range files {
		text, err := os.ReadFile(file) //nolint:gosec // our own folder
		if err != nil {
			return 0, err
		}
		sum += float64(len(bytes.TrimSpace(text)))
	}
	return sum, nil
}
