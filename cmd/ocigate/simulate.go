package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"sync"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"ocigate/oci/ocisim"
)

// simulation holds the settings of a simulated platform on the command line.
type simulation struct {
	listen  string
	seed    string
	secured bool
	cert    string
	faults  []string
	verbose bool
	// release and refusal override the seed unless they are empty.
	release int
	refusal ocisim.RefusalMode
}

func newSimulate() *cobra.Command {
	var s simulation
	c := &cobra.Command{
		Use:     "simulate",
		Aliases: []string{"sim"},
		Short:   "Run the simulated platform alone, for any OCI-P client",
		Long: "Run a platform in memory, with an OCI-P interface. Its data is that of its seed\n" +
			"(\"ocigate simulate seed\" prints the default one), and --fault injects faults\n" +
			"(\"ocigate simulate faults\" lists them). While it runs, \"ocigate simulate fault\"\n" +
			"switches faults.",
		Example: "  ocigate simulate --fault 'drop-after-apply command=GroupRoute*AssignListRequest times=1'",
		Args:    cobra.NoArgs,
		RunE:    func(c *cobra.Command, _ []string) error { return s.run(c) },
	}
	s.addFlags(c)
	c.AddCommand(newSimulateSeed(), newSimulateFaults(), newSimulateFault(), newSimulateDisconnect())
	return c
}

func (s *simulation) addFlags(c *cobra.Command) {
	flags := c.Flags()
	flags.StringVar(&s.listen, "listen", "127.0.0.1:2208", "the address to listen on")
	flags.StringVar(&s.seed, "seed", "", "the YAML file with the platform's data (default: the demonstration's)")
	flags.BoolVar(&s.secured, "tls", false, "use TLS, with a certificate that is made at the start")
	flags.StringVar(&s.cert, "write-cert", "", "write that certificate to this file, for clients to trust")
	flags.StringArrayVar(&s.faults, "fault", nil, "a fault to inject from the start; may be given several times")
	flags.Func("release", fmt.Sprintf("the platform's `release`: one of %v (default: the seed's)", ocisim.Releases()), s.setRelease)
	flags.Func("refusal", fmt.Sprintf("the `mode` in which it refuses commands that its release does not support or that\ndo not match the schema: one of %v (default: the seed's)", ocisim.RefusalModes()), s.setRefusal)
	flags.BoolVarP(&s.verbose, "verbose", "v", false, "log every document, without passwords")
}

func newSimulateSeed() *cobra.Command {
	return &cobra.Command{
		Use:   "seed",
		Short: "Print the seed of the demonstration",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			_, err := c.OutOrStdout().Write(ocisim.DemoYAML())
			return err
		},
	}
}

func newSimulateFaults() *cobra.Command {
	return &cobra.Command{
		Use:   "faults",
		Short: "List the faults that can be injected",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			w := tabwriter.NewWriter(c.OutOrStdout(), 0, 0, 2, ' ', 0)
			for _, f := range ocisim.FaultKinds() {
				fmt.Fprintf(w, "%s\t%s\t%s\n", f.Kind, f.Help, f.Parameters)
			}
			return w.Flush()
		},
	}
}

// setRelease and setRefusal parse flags. Package pflag adds the flag's name to their
// errors.
func (s *simulation) setRelease(text string) (err error) {
	s.release, err = ocisim.ParseRelease(text)
	return err
}

func (s *simulation) setRefusal(text string) (err error) {
	s.refusal, err = ocisim.ParseRefusalMode(text)
	return err
}

func (s *simulation) run(c *cobra.Command) error {
	outliveReaders()
	if s.cert != "" && !s.secured {
		return errors.New("--write-cert needs --tls: without it there is no certificate")
	}
	seed, err := s.load()
	if err != nil {
		return err
	}
	level := slog.LevelInfo
	if s.verbose {
		level = slog.LevelDebug
	}
	logger := slog.New(slog.NewTextHandler(c.ErrOrStderr(), &slog.HandlerOptions{Level: level}))
	platform, err := ocisim.New(seed, ocisim.WithLogger(logger))
	if err != nil {
		return err
	}
	listener, err := s.open(c.Context())
	if err != nil {
		return errors.Join(err, platform.Close())
	}
	uncontrol := controlled(platform, listener.Addr(), logger)
	if err := s.announce(c.OutOrStdout(), platform.Settings(), listener.Addr()); err != nil {
		uncontrol()
		return errors.Join(err, listener.Close(), platform.Close())
	}
	ctx, stop := untilHangup(c.Context())
	defer stop()
	return servePlatform(ctx, platform, listener, uncontrol)
}

// announce prints that the platform listens. Its faults can be switched from then on.
func (s *simulation) announce(to io.Writer, in ocisim.Settings, address net.Addr) error {
	transport := "TCP"
	if s.secured {
		transport = "TLS"
	}
	_, err := fmt.Fprintf(to, "The simulated platform (release %d, version %s, refusal mode %s, %s) listens on %s.\n",
		in.Release, in.Version, in.Refusal, transport, address)
	return err
}

// controlled opens the socket by which faults are switched, until stop is called. A platform
// whose socket cannot be opened, such as in a container without a folder for temporary
// files, is served all the same.
func controlled(platform *ocisim.Platform, address net.Addr, logger *slog.Logger) (stop func()) {
	stop, err := controlSimulation(platform, address)
	if err != nil {
		logger.Warn("the faults of the simulated platform cannot be switched while it runs", "cause", err.Error())
		return func() {}
	}
	return stop
}

// servePlatform serves until ctx ends. It calls uncontrol before the address is free again.
func servePlatform(ctx context.Context, platform *ocisim.Platform, l net.Listener, uncontrol func()) error {
	uncontrol = sync.OnceFunc(uncontrol)
	stop := context.AfterFunc(ctx, func() {
		uncontrol()
		_ = platform.Close() // never fails
	})
	defer stop()
	err := platform.Serve(l)
	uncontrol()
	if !errors.Is(err, ocisim.ErrClosed) {
		return errors.Join(err, platform.Close())
	}
	return platform.Close() // it waits for the end
}

// load returns the seed with the release, the refusal mode and the faults of the command
// line.
func (s *simulation) load() (ocisim.Seed, error) {
	seed, err := readSeed(s.seed)
	if err != nil {
		return ocisim.Seed{}, err
	}
	seed.Platform.Release = cmp.Or(s.release, seed.Platform.Release)
	seed.Platform.Refusal = cmp.Or(s.refusal, seed.Platform.Refusal)
	var problems []error
	for _, text := range s.faults {
		fault, err := parseFault(text)
		problems = append(problems, err)
		seed.Faults = append(seed.Faults, fault)
	}
	return seed, errors.Join(problems...)
}

func readSeed(path string) (ocisim.Seed, error) {
	if path == "" {
		return ocisim.DemoSeed(), nil
	}
	file, err := os.Open(path) //nolint:gosec // the operator names it
	if err != nil {
		return ocisim.Seed{}, err
	}
	defer func() { _ = file.Close() }() // it was only read
	seed, err := ocisim.LoadSeed(file)
	if err != nil {
		return ocisim.Seed{}, fmt.Errorf("%s: %w", path, err)
	}
	return seed, nil
}

func (s *simulation) open(ctx context.Context) (net.Listener, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", s.listen)
	if err != nil || !s.secured {
		return l, err
	}
	host, _, err := net.SplitHostPort(s.listen)
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	certificate, err := ocisim.NewCertificate(host, "localhost")
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	if s.cert != "" {
		// Clients that trust the certificate must be able to read it.
		if err := os.WriteFile(s.cert, certificate.PEM(), 0o644); err != nil { //nolint:gosec // see above
			return nil, errors.Join(err, l.Close())
		}
	}
	return tls.NewListener(l, certificate.ServerConfig()), nil
}
