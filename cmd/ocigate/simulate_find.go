package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"ocigate/config"
	"ocigate/gateway/operation/bolt"
)

// simulator is a simulated platform that runs, in this process or in another one.
type simulator struct{ *controlClient }

// dialSimulator connects to the simulated platform that listens at an address. The error
// is [fs.ErrNotExist] if there is none.
func dialSimulator(ctx context.Context, address string) (*simulator, error) {
	folder, name := simulationFolder(), simulationSocket(address)
	err := bolt.CheckOwnFolder(folder)
	if err == nil {
		err = bolt.CheckSocket(folder, name)
	}
	if err != nil {
		return nil, err
	}
	client, err := dialSocket(ctx, filepath.Join(folder, name))
	if err != nil {
		return nil, err
	}
	return &simulator{client}, nil
}

// runningSimulators returns the addresses of the simulated platforms of this user, in
// order.
func runningSimulators(ctx context.Context) ([]string, error) {
	entries, err := os.ReadDir(simulationFolder())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var running []string
	for _, e := range entries {
		address, ok := strings.CutSuffix(e.Name(), simulationSuffix)
		if !ok {
			continue
		}
		if _, err := dialSimulator(ctx, address); err == nil { // else it was killed
			running = append(running, address)
		}
	}
	slices.Sort(running)
	return running, nil
}

// findSimulator connects to the simulated platform at an address, and to the only one that
// runs for an empty address.
func findSimulator(ctx context.Context, address string) (*simulator, error) {
	running, err := runningSimulators(ctx)
	if err != nil {
		return nil, err
	}
	switch {
	case len(running) == 0:
		return nil, fmt.Errorf("no simulated platform of this user runs: start one with \"ocigate demo\" or \"ocigate simulate\" (its socket is looked for in %s)", simulationFolder())
	case address == "" && len(running) > 1:
		return nil, fmt.Errorf("several simulated platforms run: choose one with --platform: %s", strings.Join(running, ", "))
	case address == "":
		address = running[0]
	case !slices.Contains(running, address):
		return nil, fmt.Errorf("no simulated platform answers at %s%s; these run: %s", address, config.DidYouMean(address, running), strings.Join(running, ", "))
	}
	return dialSimulator(ctx, address)
}

func (s *simulator) faults(ctx context.Context) (all []simulatedFault, err error) {
	return all, s.call(ctx, http.MethodGet, simulationFaults, nil, nil, &all)
}

func (s *simulator) inject(ctx context.Context, fault string) (injected simulatedFault, err error) {
	return injected, s.call(ctx, http.MethodPost, simulationFaults, nil, fault, &injected)
}

func (s *simulator) remove(ctx context.Context, id int) (removed simulatedFault, err error) {
	return removed, s.call(ctx, http.MethodDelete, simulationFaults+"/"+strconv.Itoa(id), nil, nil, &removed)
}

// disconnect ends all connections, and returns their number.
func (s *simulator) disconnect(ctx context.Context, order disconnection) (ended int, err error) {
	return ended, s.call(ctx, http.MethodPost, simulationDisconnect, nil, order, &ended)
}

// simulatorFlag adds the flag that names a simulated platform that runs.
func simulatorFlag(c *cobra.Command) *string {
	address := c.PersistentFlags().String("platform", "", "the `host:port` that the simulated platform listens on, if several run")
	err := c.RegisterFlagCompletionFunc("platform", func(c *cobra.Command, _ []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		running, _ := runningSimulators(c.Context()) // nothing is completed then
		return running, cobra.ShellCompDirectiveNoFileComp
	})
	if err != nil {
		panic(err) // the flag is the one above
	}
	return address
}
