package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// healthTimeout is how long the running gateway may take to respond. Engines and
// orchestrators wait a little longer for the command itself.
const healthTimeout = 3 * time.Second

func newHealth() *cobra.Command {
	c := &cobra.Command{
		Use:   "health",
		Short: "Check whether the running gateway is alive, or ready for requests",
		Long: "Ask the gateway that serves at admin.listen whether it is alive, or with --ready whether\n" +
			"it should get requests, and print the response. The exit code is 0 if it is, and 1 if\n" +
			"not. This is for container engines and supervisors, also where there is neither a shell\n" +
			"nor curl: of the configuration only the section admin is read, and no secrets.",
		Args: cobra.NoArgs,
	}
	path := configFlag(c)
	at := adminFlag(c)
	ready := c.Flags().Bool("ready", false, "ask for /readyz instead of /livez")
	timeout := c.Flags().Duration("timeout", healthTimeout, "the longest time for the response")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if *timeout <= 0 {
			return fmt.Errorf("--timeout must be longer than 0s, not %v", *timeout)
		}
		address, err := adminAddress(*at, *path)
		if err != nil {
			return err
		}
		check := "/livez"
		if *ready {
			check = "/readyz"
		}
		ctx, cancel := context.WithTimeoutCause(c.Context(), *timeout, fmt.Errorf("no response within %v", *timeout))
		defer cancel()
		text, err := healthAt(ctx, address, check)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(c.OutOrStdout(), text)
		return err
	}
	return c
}

// healthAt returns the response of a check of the gateway at an address, as one line. The
// error of a check that fails has its reason.
func healthAt(ctx context.Context, address, path string) (string, error) {
	status, body, err := askAdmin(ctx, http.MethodGet, address, path, nil)
	if err != nil {
		return "", err
	}
	text := cell(strings.TrimSpace(string(body)))
	switch {
	case status == http.StatusOK && (text == "alive" || text == "ready"):
		return text, nil
	case status == http.StatusServiceUnavailable && text != "":
		return "", fmt.Errorf("the gateway at %s responds: %s", address, text)
	}
	return "", fmt.Errorf("%s returned status %d: it is no gateway, or one of another version", address, status)
}
