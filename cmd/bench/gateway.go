//go:build linux

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"ocigate/cmd/internal/measure"
)

// gateway is a process of the real binary. The address of the process is that of the API;
// admin is the other listener.
type gateway struct {
	*process
	admin string
}

// configuration has the defaults except for the drain, the size of the pool, the length of
// its queue, the folder of the journal, and the lifetime of a token.
const configuration = `
http: {listen: %q, drain: 0s}
admin: {listen: %q}
auth: {tokens: {ttl: 1h, keys: [{id: bench, secret: %q}]}}
journal: {folder: %q}
platform:
  endpoints: [{name: bench, address: %q, tls: {enabled: false}}]
  user_id: gateway
  password: gateway-bench
  pool: {min: %d, max: %d, max_waiting: 4096}
`

// launch starts a gateway without waiting for it. Its log goes to a file.
func (b *bench) launch(ctx context.Context, platform *process, least, most int) (*gateway, error) {
	ports, err := measure.FreePorts(ctx, 2)
	if err != nil {
		return nil, err
	}
	file := filepath.Join(b.dir, "ocigate.yaml")
	text := fmt.Appendf(nil, configuration, ports[0], ports[1], b.key, filepath.Join(b.dir, "journal"), platform.address, least, most)
	if err := os.WriteFile(file, text, 0o600); err != nil {
		return nil, err
	}
	log, err := os.OpenFile(filepath.Join(b.dir, "ocigate.log"), os.O_CREATE|os.O_TRUNC|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	command := exec.CommandContext(ctx, b.binary, "serve", "--config", file) //nolint:gosec // the binary that is to be measured
	command.Stderr = log
	g := &gateway{&process{command: command, log: log, address: ports[0]}, ports[1]}
	return g, b.start(g.process)
}

// gateway starts a gateway and waits until its pool is full.
func (b *bench) gateway(ctx context.Context, platform *process, sessions int) (*gateway, error) {
	g, err := b.launch(ctx, platform, sessions, sessions)
	if err != nil {
		return nil, err
	}
	for end := time.Now().Add(patience); ; {
		up, err := g.metric(ctx, "ocigate_platform_sessions{")
		if err == nil && up == float64(sessions) {
			break
		}
		if time.Now().After(end) {
			got, unread := os.ReadFile(g.log.Name())
			return nil, errors.Join(err, unread, fmt.Errorf("the gateway has %v of %d sessions: %.1000s", up, sessions, got))
		}
		if err := measure.Pause(ctx, 2*time.Millisecond); err != nil {
			return nil, err
		}
	}
	if b.token == "" {
		b.token, err = g.login(ctx)
	}
	return g, err
}

// site starts a platform with that service time, and a gateway in front of it.
func (b *bench) site(ctx context.Context, service time.Duration, sessions int) (platform *process, g *gateway, err error) {
	if platform, err = b.role(ctx, "platform", service.String(), ""); err != nil {
		return nil, nil, err
	}
	g, err = b.gateway(ctx, platform, sessions)
	return platform, g, err
}

// login logs in with a password of the platform and stores the token.
func (g *gateway) login(ctx context.Context) (string, error) {
	got, err := send(ctx, http.MethodPost, g.address, "/api/v1/login/", `{"username":"bench","password":"bench"}`, "")
	if err != nil {
		return "", err
	}
	var answer struct {
		Token string `json:"access_token"`
	}
	err = json.Unmarshal(got.body, &answer)
	return answer.Token, err
}

// metric returns the sum of the metrics with that prefix.
func (g *gateway) metric(ctx context.Context, begins string) (float64, error) {
	got, err := send(ctx, http.MethodGet, g.admin, "/metrics", "", "")
	if err != nil {
		return 0, err
	}
	sum := 0.0
	for lines := bufio.NewScanner(bytes.NewReader(got.body)); lines.Scan(); {
		if line := lines.Text(); strings.HasPrefix(line, begins) {
			value, err := strconv.ParseFloat(line[strings.LastIndexByte(line, ' ')+1:], 64)
			if err != nil {
				return 0, err
			}
			sum += value
		}
	}
	return sum, nil
}
