package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"ocigate/config"
	"ocigate/gateway"
)

// wireTraceCall asks a running gateway to trace a tenant.
type wireTraceCall struct {
	tenant     string
	length     time.Duration
	stop, list bool
}

func newWireTrace() *cobra.Command {
	t := &wireTraceCall{}
	c := withConfig(&cobra.Command{
		Use:   "trace",
		Short: "Have a running gateway log what it exchanges with the platform for a tenant",
		Long: "Have a running gateway log all documents that it exchanges with the platform for the\n" +
			"requests whose path names a tenant, without secrets: lines with the message \"wire\". The\n" +
			fmt.Sprintf("trace ends by itself. At most %d tenants are traced at a time, and if there are very many\n", gateway.MaxWireTraces) +
			"documents in a minute, some are left out, and a line has their number.\n\n" +
			"The gateway is reached at admin.listen of the configuration, from its own machine.",
		Example: "  ocigate wire trace -c ocigate.yaml --tenant ApioSpTest --for 10m\n" +
			"  ocigate wire trace -c ocigate.yaml --tenant ApioSpTest --stop",
	}, t.run)
	flags := c.Flags()
	flags.StringVar(&t.tenant, "tenant", "", "the `id` of the tenant")
	flags.DurationVar(&t.length, "for", 10*time.Minute, fmt.Sprintf("how long: whole minutes, from 1m to %dm", gateway.MaxWireMinutes))
	flags.BoolVar(&t.stop, "stop", false, "end the trace of the tenant")
	flags.BoolVar(&t.list, "list", false, "list the tenants that are traced")
	c.MarkFlagsOneRequired("tenant", "list")
	c.MarkFlagsMutuallyExclusive("for", "stop", "list")
	c.MarkFlagsMutuallyExclusive("tenant", "list")
	mustComplete(c, "tenant", cobra.NoFileCompletions)
	mustComplete(c, "for", cobra.NoFileCompletions)
	return c
}

// tracedTenant is a trace as a gateway reports it.
type tracedTenant struct {
	TenantID string    `json:"tenant_id"`
	EndsAt   time.Time `json:"ends_at"`
	Logged   int       `json:"logged"`
	LeftOut  int       `json:"left_out"`
}

func (t *wireTraceCall) run(c *cobra.Command, loaded *config.Config) error {
	method, query := http.MethodGet, url.Values{}
	switch {
	case t.list:
	case t.tenant == "":
		return errors.New("--tenant must not be empty")
	case t.stop:
		method = http.MethodDelete
	case t.length < time.Minute || t.length > gateway.MaxWireMinutes*time.Minute || t.length%time.Minute != 0:
		return fmt.Errorf("--for must be whole minutes, from 1m to %dm, not %s", gateway.MaxWireMinutes, t.length)
	default:
		method = http.MethodPost
		query.Set("minutes", strconv.Itoa(int(t.length.Minutes())))
	}
	if !t.list {
		query.Set("tenant_id", t.tenant)
	}
	address, err := reachedAt(loaded.Admin.Listen)
	if err != nil {
		return err
	}
	var got struct {
		tracedTenant
		Traces []tracedTenant `json:"traces"`
	}
	status, body, err := askAdmin(c.Context(), method, address, gateway.WireTracePath, query)
	if err != nil {
		return err
	}
	if status >= http.StatusMultipleChoices || json.Unmarshal(body, &got) != nil {
		return adminFailure(address, status, body)
	}
	out := c.OutOrStdout()
	switch method {
	case http.MethodPost:
		_, err = fmt.Fprintf(out, "What is exchanged for the tenant %s is logged until %s.\n", got.TenantID, got.EndsAt.Format(time.RFC3339))
	case http.MethodDelete:
		_, err = fmt.Fprintf(out, "The trace of the tenant %s has ended: %d exchanges were logged, %d left out.\n", got.TenantID, got.Logged, got.LeftOut)
	default:
		for _, one := range got.Traces {
			if _, err := fmt.Fprintf(out, "%s\tuntil %s\t%d logged, %d left out\n", one.TenantID, one.EndsAt.Format(time.RFC3339), one.Logged, one.LeftOut); err != nil {
				return err
			}
		}
		if len(got.Traces) == 0 {
			_, err = fmt.Fprintln(out, "No tenant is traced.")
		}
	}
	return err
}
