package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"ocigate/config"
	"ocigate/translate"
	"ocigate/translate/scope"
)

// The exit codes of the command doctor, besides 0 and 1. They differ from those of the
// command call.
const (
	exitConfiguration = 10 + iota
	exitDNS
	exitTCP
	exitTLS
	exitLogin
	exitRights
	exitReply
	exitJournal
	exitListener
	exitIssuer
	exitClock
	exitBudget
)

// doctorCodesHelp describes the exit codes. cmd/README.md has the same list.
const doctorCodesHelp = "Exit codes; if several checks have failed, that of the first:\n" +
	"   0  no check has failed; there may be notes\n" +
	"   1  the command line is not valid, or another error\n" +
	"  10  the configuration\n" +
	"  11  DNS: the name of an endpoint\n" +
	"  12  TCP: the connection to an endpoint\n" +
	"  13  TLS with an endpoint\n" +
	"  14  the login: the platform refuses the account\n" +
	"  15  the rights of the account\n" +
	"  16  the platform's reply: none, not OCI-P, an error, or another release\n" +
	"  17  the journal: its folder or its database\n" +
	"  18  a listener: its address or its certificate\n" +
	"  19  the OpenID Connect issuer\n" +
	"  20  the clock\n" +
	"  21  the budget of sessions\n"

// doctor is one run of the command.
type doctor struct {
	file             string
	json             bool
	tenant, group    string
	replicas         int
	platformSessions int
	timeout          time.Duration
	machine          machine

	report  *report
	config  *config.Config
	parts   *parts
	refused map[string]string // the endpoint that has refused an account, by user id
	clocks  []comparison
}

// machine is what the command uses of its machine. Tests replace parts of it.
type machine struct {
	resolver *net.Resolver // nil for that of the system
	space    func(folder string) (diskSpace, error)
	sync     func(*os.File) error
	wait     time.Duration // for the control socket of a gateway that has just started
}

func newDoctor() *cobra.Command {
	return (&doctor{machine: machine{space: spaceOf, sync: (*os.File).Sync, wait: askTime}}).command()
}

// command returns the command, which runs the doctor once.
func (d *doctor) command() *cobra.Command {
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Check step by step what a gateway needs, and explain what fails",
		Long: "Check what a gateway needs, each step with the time that it took: for each endpoint of\n" +
			"the platform DNS, TCP, TLS, the login, the rights of the account, the release, and with\n" +
			"--tenant a read; then the journal, the listeners, the OpenID Connect issuer, the clock\n" +
			"and the number of sessions. Each failure says what to do.\n\n" +
			"The command may be used while \"ocigate serve\" runs. It changes nothing on the platform,\n" +
			"uses one session at a time, and logs in once for each endpoint, but never again with an\n" +
			"account that the platform has refused. It prints no secrets.\n\n" + doctorCodesHelp,
		Example: "  ocigate doctor -c ocigate.yaml --tenant ApioSpTest --replicas 2 --platform-sessions 50",
		Args:    cobra.NoArgs,
		RunE:    func(c *cobra.Command, _ []string) error { return d.run(c) },
	}
	file := configFlag(c)
	c.PreRun = func(*cobra.Command, []string) { d.file = *file }
	flags := c.Flags()
	flags.BoolVar(&d.json, "json", false, "print one JSON object at the end")
	flags.StringVar(&d.tenant, "tenant", "", "read this `tenant` from the platform, at each endpoint")
	flags.StringVar(&d.group, "group", "", "read this `group` of the tenant, too")
	flags.IntVar(&d.replicas, "replicas", 1, "how many gateways with this configuration run at the same time")
	flags.IntVar(&d.platformSessions, "platform-sessions", 0, "how many sessions the platform allows")
	flags.DurationVar(&d.timeout, "timeout", 0, "the longest time for each step (default: those of platform.timeouts)")
	for _, flag := range []string{"tenant", "group", "replicas", "platform-sessions", "timeout"} {
		mustComplete(c, flag, cobra.NoFileCompletions)
	}
	return c
}

// flagProblem returns what is wrong with the flags, without the configuration.
func (d *doctor) flagProblem(flags *pflag.FlagSet) error {
	switch {
	case d.group != "" && d.tenant == "":
		return errors.New("--group needs --tenant")
	case d.replicas < 1:
		return errors.New("--replicas must be 1 or more")
	case d.platformSessions < 1 && flags.Changed("platform-sessions"):
		return errors.New("--platform-sessions must be 1 or more")
	case d.timeout <= 0 && flags.Changed("timeout"):
		return errors.New("--timeout must be more than 0s")
	}
	return nil
}

// target returns what the reads are about.
func (d *doctor) target() scope.Target { return scope.Target{TenantID: d.tenant, GroupID: d.group} }

// run makes all checks and prints them.
func (d *doctor) run(c *cobra.Command) error {
	if err := d.flagProblem(c.Flags()); err != nil {
		return err
	}
	d.report = &report{to: c.OutOrStdout(), json: d.json}
	d.refused = map[string]string{}
	if err := d.examine(c.Context()); err != nil {
		return err
	}
	if err := c.Context().Err(); err != nil {
		return fmt.Errorf("not all checks were made: %w", context.Cause(c.Context()))
	}
	return d.report.end()
}

// examine makes all checks in their order. The error is about the command line.
func (d *doctor) examine(ctx context.Context) error {
	if !d.checkConfiguration() {
		for _, name := range []string{"platform", "journal", "listeners", "clock", "budget", nameDescriptors} {
			d.report.skip(check{Name: name}, "the configuration is not valid")
		}
		return nil
	}
	if d.tenant != "" {
		t := d.target()
		if problems := t.Scope().Problems(t, d.parts.platform.Encoding); len(problems) > 0 {
			return fmt.Errorf("--tenant and --group: %s", problems[0])
		}
	}
	d.noteWarnings()
	for i := range d.config.Platform.Endpoints {
		d.checkEndpoint(ctx, i)
	}
	if d.config.Journal.Store == config.StorePostgres {
		d.checkDatabase(ctx)
	} else {
		d.checkFolder(ctx)
	}
	d.checkListeners(ctx)
	d.checkIssuer(ctx)
	d.checkReceiver(ctx)
	d.checkClock()
	d.checkBudget()
	d.checkDescriptors()
	return nil
}

// checkConfiguration loads and builds the configuration, as "config check" does. It
// reports whether the other checks can be made.
func (d *doctor) checkConfiguration() bool {
	const what = "configuration"
	began := time.Now()
	at := check{Name: what, code: exitConfiguration}
	at.Tried = "read " + d.file
	loaded, err := config.Load(d.file, os.Environ())
	if err != nil {
		d.report.fail(at, time.Since(began), onOneLine(err), "correct it, and run \"ocigate config check\"")
		return false
	}
	d.config = loaded
	d.parts, err = build(loaded)
	if err != nil {
		d.report.fail(at, time.Since(began), onOneLine(err), "correct it, and run \"ocigate config check\"")
		return false
	}
	if d.timeout > 0 {
		d.parts.platform.ConnectTimeout, d.parts.platform.LoginTimeout, d.parts.platform.CommandTimeout = d.timeout, d.timeout, d.timeout
	}
	notes, fault := d.parts.certificates.validity(time.Now())
	switch {
	case fault != nil:
		d.report.fail(at, time.Since(began), onOneLine(fault), "have the certificate renewed, or correct this machine's clock")
	case len(notes) > 0:
		d.report.note(at, time.Since(began), onOneLine(errors.New(strings.Join(notes, "\n"))), "have the certificate renewed in time")
	default:
		d.report.ok(at, time.Since(began), "valid; the program is ocigate "+versionText())
	}
	return true
}

// limit returns the timeout of a step: the flag's, or that of the configuration.
func (d *doctor) limit(configured time.Duration) time.Duration { return cmp.Or(d.timeout, configured) }

// place returns where the configuration sets a value: the key, with the file and line or
// the variable.
func (d *doctor) place(path string) string {
	if at := d.config.Place(path); at != "" && at != d.file {
		return path + " (" + at + ")"
	}
	return path
}

// accountRequired is what the account must be, for advice.
const accountRequired = "use an account of type " + translate.AccountRequired
