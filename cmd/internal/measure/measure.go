// Package measure holds what the commands that measure the ocigate binary have in common: they
// build it, start it as operators do, and say on which machine they have measured it.
package measure

import (
	"context"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// Build builds ocigate in a folder as "make build" does, and returns the file.
func Build(ctx context.Context, folder string) (binary string, err error) {
	binary = filepath.Join(folder, "ocigate")
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", binary, "ocigate/cmd/ocigate") //nolint:gosec // all arguments are constants or our own paths
	if got, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building ocigate: %w: %s", err, got)
	}
	return binary, nil
}

// Hash returns the hash of a secret by "ocigate hash".
func Hash(ctx context.Context, binary, secret string) (string, error) {
	hash := exec.CommandContext(ctx, binary, "hash")
	hash.Stdin = strings.NewReader(secret)
	out, err := hash.Output()
	if err != nil {
		return "", fmt.Errorf("ocigate hash: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}

// FreePorts returns addresses on loopback that were free at the time of the call.
func FreePorts(ctx context.Context, count int) ([]string, error) {
	var ports []string
	for range count {
		l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer func() { _ = l.Close() }() // it was not used
		ports = append(ports, l.Addr().String())
	}
	return ports, nil
}

// Pause waits, unless ctx ends first: then it returns the cause.
func Pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
