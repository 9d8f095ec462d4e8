package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"ocigate/config"
	"ocigate/config/assets"
	"ocigate/gateway/auth"
	"ocigate/gateway/docs"
	"ocigate/oci/ocisim"
)

// The listed clients of the demonstration: one for each level, and one with a limit of its
// requests.
const demoSecret = "demo"

var demoClients = []config.Client{
	{ID: "portal", Level: config.LevelSystem},
	{ID: "tenant", Level: config.LevelTenant, TenantID: "ApioSpTest"},
	{ID: "group", Level: config.LevelGroup, TenantID: "ApioSpTest", GroupID: "ApioGrpTest"},
	{ID: "limited", Level: config.LevelGroup, TenantID: "ApioSpTest", GroupID: "ApioGrpTest", Limit: config.CallerLimit{PerSecond: 0.01, Burst: 2}},
}

// demoSignIn returns the credentials that the documentation shows: of the client for
// everything, and of an administrator of the tenant in the examples. The viewer has the
// parameters of calls that succeed without a fault.
func demoSignIn(from config.AvailableFrom) *docs.SignIn {
	return &docs.SignIn{
		Client: "portal", Secret: demoSecret, Username: "tenantadmin", Password: "tenantadmin-demo",
		Parameters: viewerParameters(demoCalls(from)),
	}
}

func newDemo() *cobra.Command {
	var d demo
	c := &cobra.Command{
		Use:   "demo",
		Short: "Run the gateway against the simulated platform, and show how to call it",
		Long: "Run the gateway in front of a simulated platform, on loopback, and print a line of curl\n" +
			"for every route and for the errors that need no fault. With --fault the simulated\n" +
			"platform, or the gateway, has a fault, and the lines show the responses to it:\n\n" + faultHelp() +
			"\nWhile it runs, \"ocigate simulate fault\" switches further faults of the platform. With\n" +
			"--tour it injects one fault after the other, and prints what callers, log,\n" +
			"metrics, alerts and operations say.",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return d.run(c) },
	}
	flags := c.Flags()
	flags.StringVar(&d.api, "listen", "127.0.0.1:8080", "the address of the API")
	flags.StringVar(&d.admin, "admin-listen", "127.0.0.1:9090", "the address of the status page, metrics, livez and readyz")
	flags.StringVar(&d.platform, "platform-listen", "127.0.0.1:2208", "the address of the simulated platform")
	flags.StringVar((*string)(&d.availableFrom), "available-from", string(config.AvailableFromGroup),
		"the entries of the available lists, as api.available_from: group, or tenant for those that can be assigned")
	flags.StringVar(&d.fault, "fault", "", "the `fault` to start with")
	flags.BoolVar(&d.check, "check", false, "make the calls, with both kinds of available lists and with each fault, compare the responses with the documented ones, and end")
	flags.BoolVar(&d.tour, "tour", false, "go through stages: inject a fault, show what caller, log, metrics, alerts and operation say, and end")
	flags.StringArrayVar(&d.stages, "stage", nil, "with --tour, only the stage of this `name`; may be given several times")
	flags.BoolVar(&d.list, "list", false, "with --tour, list the stages")
	flags.StringVar(&d.prometheus, "prometheus", "", "with --tour, the `URL` of a Prometheus that scrapes the gateway: show which alerts are pending or firing")
	for _, flag := range []string{"listen", "admin-listen", "platform-listen", "available-from", "fault", "tour"} {
		c.MarkFlagsMutuallyExclusive("check", flag) // a check uses any free port, and all lists and faults
	}
	c.MarkFlagsMutuallyExclusive("tour", "fault")
	c.MarkFlagsMutuallyExclusive("tour", "available-from")
	registerStages(c)
	return c
}

type demo struct {
	api, admin, platform string
	availableFrom        config.AvailableFrom // empty for the configuration's default
	fault                string               // name of a fault, empty for none
	injected             *demoFault           // the fault of that name
	check                bool
	tour, list           bool
	stages               []string // names of the stages of the tour, none for all
	prometheus           string   // URL, empty for none

	// simulated and folder are the platform and the folder of the gateway's files, while
	// the demonstration runs.
	simulated *ocisim.Platform
	folder    string
}

// calls returns the calls that the demonstration shows.
func (d *demo) calls() []demoCall {
	if d.fault != "" {
		return d.injected.calls
	}
	return demoCalls(d.availableFrom)
}

// availableLists are the kinds of available lists.
var availableLists = []config.AvailableFrom{config.AvailableFromGroup, config.AvailableFromTenant}

func (d *demo) run(c *cobra.Command) error {
	outliveReaders()
	if !slices.Contains(availableLists, d.availableFrom) {
		known := []string{string(config.AvailableFromGroup), string(config.AvailableFromTenant)}
		return fmt.Errorf("--available-from must be %s, not %q%s", strings.Join(known, " or "), string(d.availableFrom), config.DidYouMean(string(d.availableFrom), known))
	}
	if !d.tour && (d.list || len(d.stages) > 0 || d.prometheus != "") {
		return errors.New("--stage, --list and --prometheus need --tour")
	}
	if d.check {
		return checkDemos(c.Context(), c.OutOrStdout())
	}
	if d.list {
		return listStages(c.OutOrStdout())
	}
	ctx, stop := untilHangup(c.Context())
	defer stop()
	if d.tour {
		return d.runTour(ctx, c.OutOrStdout(), assets.Files())
	}
	return runDemo(ctx, d, c.ErrOrStderr(), func(ctx context.Context, api, admin, platform net.Addr) error {
		if err := d.printBanner(c.OutOrStdout(), "http://"+api.String(), "http://"+admin.String(), platform.String()); err != nil {
			return err
		}
		<-ctx.Done()
		return nil
	})
}

// checkDemos checks the demonstration with both kinds of available lists, and then with
// each fault. It uses any free ports, and writes a report of all calls.
func checkDemos(ctx context.Context, to io.Writer) error {
	var failed []error
	check := func(d demo, title string) {
		d.api, d.admin, d.platform = "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"
		failed = append(failed, runDemo(ctx, &d, io.Discard, func(ctx context.Context, api, _, _ net.Addr) error {
			fmt.Fprintln(to, title)
			return checkDemo(ctx, "http://"+api.String(), d.calls(), to)
		}))
	}
	for _, from := range availableLists {
		check(demo{availableFrom: from}, "With api.available_from: "+string(from))
	}
	for _, fault := range demoFaults {
		check(demo{fault: fault.name}, "With --fault "+fault.name)
	}
	return errors.Join(failed...)
}

// runDemo runs a simulated platform and a gateway in front of it until use returns.
func runDemo(ctx context.Context, d *demo, logs io.Writer, use func(ctx context.Context, api, admin, platform net.Addr) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var err error
	if d.injected, err = faultByName(d.fault); err != nil {
		return err
	}
	seed, err := d.injected.seed()
	if err != nil {
		return err
	}
	platform, err := ocisim.New(seed)
	if err != nil {
		return err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", d.platform)
	if err != nil {
		return errors.Join(fmt.Errorf("simulated platform: %w", err), platform.Close())
	}
	d.simulated = platform
	uncontrol := controlled(platform, listener.Addr(), slog.New(slog.NewTextHandler(logs, nil)))
	// The platform ends after the gateway, whose sessions log out at the end.
	platformLife, endPlatform := context.WithCancel(context.WithoutCancel(ctx))
	served := make(chan error, 1)
	go func() { served <- servePlatform(platformLife, platform, listener, uncontrol) }()

	err = runGateway(ctx, cancel, d, logs, listener.Addr(), use)
	endPlatform()
	return errors.Join(err, <-served)
}

func runGateway(ctx context.Context, cancel context.CancelFunc, d *demo, logs io.Writer, platform net.Addr, use func(ctx context.Context, api, admin, platform net.Addr) error) error {
	folder, err := os.MkdirTemp("", "ocigate-demo-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(folder) }() // the demonstration removes its files
	d.folder = folder
	program, err := d.gateway(platform.String(), folder, logs)
	if err != nil {
		return err
	}
	program.followLog(logs)
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

// gateway returns the gateway of the demonstration. That of the tour has its configuration
// in a file, from which a reload reads it again.
func (d *demo) gateway(platform, folder string, logs io.Writer) (*Program, error) {
	if d.tour {
		return d.tourGateway(platform, folder, logs)
	}
	c, err := demoConfig(d, platform, folder)
	if err == nil && d.injected.tune != nil {
		err = d.injected.tune(c, folder)
	}
	if err != nil {
		return nil, err
	}
	return NewProgram(c, slog.New(slog.NewTextHandler(logs, &slog.HandlerOptions{Level: slog.LevelWarn})), withSignIn(demoSignIn(d.availableFrom)))
}

// demoConfig returns the configuration of the demonstration. Unlike one for production, it
// uses no TLS, because all connections are on loopback.
func demoConfig(d *demo, platform, folder string) (*config.Config, error) {
	c := config.Default()
	c.HTTP.Listen, c.Admin.Listen = d.api, d.admin
	c.HTTP.Drain = 0 // there is no load balancer
	c.Log.Format = config.LogText
	c.Auth.Cookie.Secure = false
	c.Journal.Folder = folder
	c.API.AvailableFrom = cmp.Or(d.availableFrom, c.API.AvailableFrom)
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
