package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"ocigate/config"
)

func newReload() *cobra.Command {
	c := &cobra.Command{
		Use:   "reload",
		Short: "Have the running gateway read its configuration again",
		Long: "Have the gateway that serves at admin.listen read its configuration, certificates and\n" +
			"secrets again, as a SIGHUP does, and print which keys have changed. If anything is not\n" +
			"valid, the gateway goes on with what it has, and the problems are printed. It reads its\n" +
			"own file; of this one only the section admin is used. The gateway accepts commands only\n" +
			"from where admin.commands says.",
		Args: cobra.NoArgs,
	}
	path := configFlag(c)
	at := adminFlag(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		address, err := adminAddress(*at, *path)
		if err != nil {
			return err
		}
		return reloadAt(c.Context(), address, c.OutOrStdout())
	}
	return c
}

// adminFlag adds the flag that names the listener of the running gateway.
func adminFlag(c *cobra.Command) *string {
	return c.Flags().String("admin", "", "the `host:port` of the gateway's listener for operators, instead of admin.listen of the configuration's file")
}

// adminAddress returns the address of the listener for operators of the running gateway:
// the flag, or that of the configuration's file, at loopback if it has every interface.
func adminAddress(flag, file string) (string, error) {
	if flag != "" {
		if _, _, err := net.SplitHostPort(flag); err != nil {
			return "", fmt.Errorf("--admin must be host:port: %w", err)
		}
		return flag, nil
	}
	admin, err := config.LoadAdmin(file, os.Environ())
	if err != nil {
		return "", err
	}
	return reachedAt(admin.Listen)
}

// reachedAt returns the address at which this machine reaches a listener for operators.
// One on all addresses is reached by loopback.
func reachedAt(listen string) (string, error) {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return "", fmt.Errorf("admin.listen: %w", err)
	}
	if port == "0" {
		return "", errors.New("admin.listen has the port 0, so the port is not known")
	}
	return net.JoinHostPort(onThisMachine(host), port), nil
}

// onThisMachine returns the host at which a listener can be reached from its own machine.
// It is an address where the host means all addresses: a container may have no hosts file
// with the name localhost.
func onThisMachine(host string) string {
	switch ip := net.ParseIP(host); {
	case host == "", ip != nil && ip.IsUnspecified() && ip.To4() != nil:
		return "127.0.0.1"
	case ip != nil && ip.IsUnspecified():
		return "::1"
	}
	return host
}

// adminTimeout limits a command to the running gateway.
const adminTimeout = time.Minute

// maxAdminBytes limits the response to a command.
const maxAdminBytes = 16 << 20

// askAdmin sends a command to the running gateway, and returns the status and the body of
// the response.
func askAdmin(ctx context.Context, method, address, path string, query url.Values) (status int, body []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, adminTimeout)
	defer cancel()
	target := url.URL{Scheme: "http", Host: address, Path: path, RawQuery: query.Encode()}
	request, err := http.NewRequestWithContext(ctx, method, target.String(), http.NoBody)
	if err != nil {
		return 0, nil, err
	}
	client := &http.Client{
		// No proxy of the environment: the gateway is on this machine or in its network.
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	response, err := client.Do(request)
	if err != nil {
		if wrapped, ok := errors.AsType[*url.Error](err); ok {
			err = wrapped.Err
		}
		return 0, nil, fmt.Errorf("no gateway responds at the listener for operators, %s: %w", address, err)
	}
	defer func() { _ = response.Body.Close() }() // it was only read
	body, err = io.ReadAll(io.LimitReader(response.Body, maxAdminBytes))
	return response.StatusCode, body, err
}

// adminFailure returns the error of a response that is not the expected one.
func adminFailure(address string, status int, body []byte) error {
	var failed failure
	if json.Unmarshal(body, &failed) == nil && failed.Error != "" {
		return fmt.Errorf("the gateway at %s refused it: %s", address, cell(failed.Error))
	}
	return fmt.Errorf("%s returned status %d: it is no gateway, or one of another version", address, status)
}

// reloadAt reloads the configuration of the gateway at an address, and writes what has
// changed.
func reloadAt(ctx context.Context, address string, to io.Writer) error {
	status, body, err := askAdmin(ctx, http.MethodPost, address, reloadPath, nil)
	if err != nil {
		return err
	}
	var report reloadReport
	if status != http.StatusOK {
		if status == http.StatusUnprocessableEntity && json.Unmarshal(body, &report) == nil {
			return errors.New("nothing was reloaded:\n" + report.Error)
		}
		return adminFailure(address, status, body)
	}
	if err := json.Unmarshal(body, &report); err != nil {
		return adminFailure(address, status, body)
	}
	_, err = io.WriteString(to, report.text())
	return err
}

// text returns the report of a successful reload.
func (r reloadReport) text() string {
	var text strings.Builder
	text.WriteString("The configuration was reloaded.\n")
	list := func(title string, keys []string) {
		for i, key := range keys {
			if i == 0 {
				text.WriteString(title + ":\n")
			}
			text.WriteString("  " + key + "\n")
		}
	}
	if len(r.Changed)+len(r.NeedRestart) == 0 {
		text.WriteString("Nothing has changed.\n")
	}
	list("Changed", r.Changed)
	list("Changed, but effective only after a restart", r.NeedRestart)
	return text.String()
}
