package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"

	"github.com/spf13/cobra"

	"ocigate/config"
	"ocigate/gateway/auth"
	"ocigate/oci/ocisim"
)

// The listed clients of the demonstration, one for each level.
const demoSecret = "demo"

var demoClients = []config.Client{
	{ID: "portal", Level: config.LevelSystem},
	{ID: "tenant", Level: config.LevelTenant, TenantID: "ApioSpTest"},
	{ID: "group", Level: config.LevelGroup, TenantID: "ApioSpTest", GroupID: "ApioGrpTest"},
}

func newDemo() *cobra.Command {
	var d demo
	c := &cobra.Command{
		Use:   "demo",
		Short: "Run the gateway against the simulated platform, and show how to call it",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return d.run(c) },
	}
	flags := c.Flags()
	flags.StringVar(&d.api, "listen", "127.0.0.1:8080", "the address of the API")
	flags.StringVar(&d.admin, "admin-listen", "127.0.0.1:9090", "the address of metrics, livez and readyz")
	flags.StringVar(&d.platform, "platform-listen", "127.0.0.1:2208", "the address of the simulated platform")
	flags.BoolVar(&d.check, "check", false, "make the calls, compare the answers with the documented ones, and end")
	for _, address := range []string{"listen", "admin-listen", "platform-listen"} {
		c.MarkFlagsMutuallyExclusive("check", address) // a check uses any free port
	}
	return c
}

type demo struct {
	api, admin, platform string
	check                bool
}

func (d *demo) run(c *cobra.Command) error {
	logs := c.ErrOrStderr()
	if d.check {
		// A check needs no addresses that anybody knows, and its own report
		// says what went wrong.
		d.api, d.admin, d.platform = "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"
		logs = io.Discard
	}
	return runDemo(c.Context(), d, logs, func(ctx context.Context, api, admin, platform net.Addr) error {
		base := "http://" + api.String()
		if d.check {
			return checkDemo(ctx, base, c.OutOrStdout())
		}
		if err := printBanner(c.OutOrStdout(), base, "http://"+admin.String(), platform.String()); err != nil {
			return err
		}
		<-ctx.Done()
		return nil
	})
}

// runDemo runs a simulated platform and a gateway in front of it for as long
// as use does.
func runDemo(ctx context.Context, d *demo, logs io.Writer, use func(ctx context.Context, api, admin, platform net.Addr) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	platform, err := ocisim.New(ocisim.DemoSeed())
	if err != nil {
		return err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", d.platform)
	if err != nil {
		return errors.Join(fmt.Errorf("simulated platform: %w", err), platform.Close())
	}
	// The platform outlives the gateway, whose sessions log out at the end.
	platformLife, endPlatform := context.WithCancel(context.WithoutCancel(ctx))
	served := make(chan error, 1)
	go func() { served <- servePlatform(platformLife, platform, listener) }()

	err = runGateway(ctx, cancel, d, logs, listener.Addr(), use)
	endPlatform()
	return errors.Join(err, <-served)
}

func runGateway(ctx context.Context, cancel context.CancelFunc, d *demo, logs io.Writer, platform net.Addr, use func(ctx context.Context, api, admin, platform net.Addr) error) error {
	folder, err := os.MkdirTemp("", "ocigate-demo-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(folder) }() // the demonstration leaves nothing behind
	c, err := demoConfig(d, platform.String(), folder)
	if err != nil {
		return err
	}
	program, err := NewProgram(c, slog.New(slog.NewTextHandler(logs, &slog.HandlerOptions{Level: slog.LevelWarn})))
	if err != nil {
		return err
	}
	var used chan error // nil until the gateway serves
	err = program.Run(ctx, func(api, admin net.Addr) {
		used = make(chan error, 1)
		go func() {
			used <- use(ctx, api, admin, platform)
			cancel()
		}()
	})
	cancel()
	if used != nil {
		err = errors.Join(err, <-used)
	}
	return err
}

// demoConfig is the configuration of the demonstration. Unlike one that is
// meant for work, it leaves the network on loopback unprotected.
func demoConfig(d *demo, platform, folder string) (*config.Config, error) {
	c := config.Default()
	c.HTTP.Listen, c.Admin.Listen = d.api, d.admin
	c.Auth.Cookie.Secure = false
	c.Journal.Folder = folder
	c.Auth.Tokens.Keys = []config.TokenKey{{ID: "demo", Secret: config.NewSecret(rand.Text() + rand.Text())}}
	hash, err := auth.Hash(demoSecret)
	if err != nil {
		return nil, err
	}
	for _, client := range demoClients {
		client.Hash = config.NewSecret(hash)
		c.Auth.Clients = append(c.Auth.Clients, client)
	}
	endpoint := config.DefaultEndpoint()
	endpoint.Name, endpoint.Address = "simulated", platform
	endpoint.TLS.Enabled = false
	c.Platform.Endpoints = []config.Endpoint{endpoint}
	c.Platform.UserID = "gateway"
	c.Platform.Password = config.NewSecret("gateway-demo")
	return &c, nil
}
