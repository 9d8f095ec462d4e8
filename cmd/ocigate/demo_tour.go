package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"ocigate/config"
	"ocigate/gateway/auth"
	"ocigate/oci/ocisim"
)

// tour goes through stages of a demonstration that runs: each injects a fault, makes calls,
// and shows what the caller, the log, the metrics, the alerts and the operation say.
type tour struct {
	api, admin string // addresses, with http://
	folder     string // of the gateway's files
	platform   *ocisim.Platform
	log        *tourLog
	rules      map[string]tourAlert // by name
	calls      *demoCheck
	show       *tourPage
	prometheus string // URL of a Prometheus that scrapes the gateway, empty for none

	injected []*ocisim.Injection // faults of the stage that runs
}

// stagesByName returns the stages of those names, and all of them for none.
func stagesByName(names []string) ([]tourStage, error) {
	if len(names) == 0 {
		return tourStages, nil
	}
	var known []string
	for _, s := range tourStages {
		known = append(known, s.name)
	}
	var found []tourStage
	var problems []error
	for _, name := range names {
		i := slices.Index(known, name)
		if i < 0 {
			problems = append(problems, fmt.Errorf("--stage must be one of %s, not %q%s", strings.Join(known, ", "), name, config.DidYouMean(name, known)))
			continue
		}
		found = append(found, tourStages[i])
	}
	return found, errors.Join(problems...)
}

// registerStages completes the names of the stages.
func registerStages(c *cobra.Command) {
	err := c.RegisterFlagCompletionFunc("stage", func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
		var found []cobra.Completion
		for _, s := range tourStages {
			found = append(found, cobra.CompletionWithDesc(s.name, s.title))
		}
		return found, cobra.ShellCompDirectiveNoFileComp
	})
	if err != nil {
		panic(err) // the flag is one of the command
	}
}

// listStages prints the names and the titles of the stages.
func listStages(to io.Writer) error {
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	for _, s := range tourStages {
		fmt.Fprintf(w, "%s\t%s\n", s.name, s.title)
	}
	return w.Flush()
}

// runTour starts a demonstration and goes through its stages. It returns an error unless
// each stage has shown what it declares. The rules are those of the assets.
func (d *demo) runTour(ctx context.Context, to io.Writer, rules fs.FS) error {
	stages, err := stagesByName(d.stages)
	if err != nil {
		return err
	}
	return d.takeStages(ctx, to, rules, stages)
}

func (d *demo) takeStages(ctx context.Context, to io.Writer, rules fs.FS, stages []tourStage) error {
	alerts, err := readAlerts(rules)
	if err != nil {
		return err
	}
	log := &tourLog{}
	return runDemo(ctx, d, log, func(ctx context.Context, api, admin, _ net.Addr) error {
		client := demoClient{&http.Client{Timeout: 30 * time.Second}, "http://" + api.String()}
		defer client.CloseIdleConnections()
		t := &tour{
			api: client.base, admin: "http://" + admin.String(), folder: d.folder, platform: d.simulated,
			log: log, rules: alerts, calls: &demoCheck{demoSender: client}, show: &tourPage{to: to}, prometheus: d.prometheus,
		}
		return t.run(ctx, stages)
	})
}

// run goes through stages.
func (t *tour) run(ctx context.Context, stages []tourStage) error {
	t.show.text(fmt.Sprintf("The gateway runs at %s, and its metrics are at %s/metrics. So that nobody waits, its configuration has shorter times than the default one, and one session with the platform: %s.", t.api, t.admin, tourTimes))
	if err := t.awaitNormal(ctx); err != nil {
		return fmt.Errorf("the demonstration does not start: %w", err)
	}
	var failed []string
	for i := range stages {
		t.show.heading(fmt.Sprintf("%d of %d  %s: %s", i+1, len(stages), stages[i].name, stages[i].title))
		err := t.stage(ctx, &stages[i])
		if ctx.Err() != nil { // err is about what was interrupted
			return errors.Join(context.Cause(ctx), t.show.err)
		}
		if err != nil {
			t.show.item("NOT SHOWN", err.Error())
			failed = append(failed, stages[i].name)
		}
	}
	t.show.heading(fmt.Sprintf("stages: %d, not shown as declared: %d", len(stages), len(failed)))
	if len(failed) > 0 {
		return fmt.Errorf("these stages did not show what they declare: %s", strings.Join(failed, ", "))
	}
	return t.show.err
}

// stage goes through one stage. Whatever fails, it ends the fault and waits until the
// gateway is normal.
func (t *tour) stage(ctx context.Context, s *tourStage) error {
	t.show.text(s.about)
	before, err := t.metrics(ctx)
	if err != nil {
		return err
	}
	mark := t.log.len()
	err = t.inject(ctx, s)
	if err == nil {
		err = errors.Join(t.call(ctx, s), t.observe(ctx, s, before, mark), t.alerts(ctx, s))
	}
	return errors.Join(err, t.recover(ctx, s))
}

// inject begins the fault of a stage.
func (t *tour) inject(ctx context.Context, s *tourStage) error {
	for _, text := range s.faults {
		fault, err := ocisim.ParseFault(text)
		if err != nil {
			return err
		}
		injected, err := t.platform.Inject(fault)
		if err != nil {
			return err
		}
		t.injected = append(t.injected, injected)
		t.show.command("fault", "bin/ocigate sim fault add '"+text+"'")
	}
	if s.disconnect {
		t.platform.Restart()
		t.show.command("", "bin/ocigate sim disconnect")
	}
	if s.begin == nil {
		return nil
	}
	did, err := s.begin(ctx, t)
	t.show.item("fault", did)
	return err
}

// call makes the calls of a stage, and then asks for the operation.
func (t *tour) call(ctx context.Context, s *tourStage) error {
	var problems []error
	for _, call := range s.calls {
		err := t.calls.check(ctx, call)
		t.show.item("call", call.title)
		t.show.command("", call.curl(t.api))
		t.show.answer(t.calls.before)
		if err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", call.title, err))
		}
	}
	if s.state == "" {
		return errors.Join(problems...)
	}
	ask := demoCall{
		user: "portal", method: http.MethodGet, path: "/operations/" + lastOperation + "/", status: http.StatusOK, patient: true,
		has: []string{`"state":"` + s.state + `"`, `"known_by":"` + s.knownBy + `"`},
	}
	err := t.calls.check(ctx, ask)
	t.show.item("ask", "what became of the write")
	t.show.command("", ask.curl(t.api))
	t.show.operation(t.calls.before)
	return errors.Join(append(problems, err)...)
}

// observe waits until the log and the metrics show what a stage declares.
func (t *tour) observe(ctx context.Context, s *tourStage, before samples, mark int) error {
	var lines, changes []string
	err := await(ctx, func(ctx context.Context) error {
		after, err := t.metrics(ctx)
		if err != nil {
			return err
		}
		var problems []error
		changes = nil
		for _, m := range s.metrics {
			changes = append(changes, m.change(before, after))
			problems = append(problems, m.compare(before, after))
		}
		lines = nil
		for _, part := range s.logs {
			line, err := t.log.find(mark, part)
			problems = append(problems, err)
			if !slices.Contains(lines, line) {
				lines = append(lines, line)
			}
		}
		return errors.Join(problems...)
	})
	for _, line := range lines {
		t.show.item("log", line)
	}
	for _, change := range changes {
		t.show.item("metric", change)
	}
	return err
}

// alerts shows the alerts that a stage is about.
func (t *tour) alerts(ctx context.Context, s *tourStage) error {
	if len(s.alerts) == 0 {
		t.show.item("alert", "none: "+s.noAlert)
		return nil
	}
	var problems []error
	for _, name := range s.alerts {
		rule, ok := t.rules[name]
		if !ok {
			problems = append(problems, fmt.Errorf("%s has no alert %s", alertsFile, name))
			continue
		}
		t.show.item("alert", rule.text())
		if t.prometheus != "" {
			state, err := awaitAlert(ctx, t.prometheus, name)
			problems = append(problems, err)
			t.show.item("", "at "+t.prometheus+": "+state)
		}
	}
	return errors.Join(problems...)
}

// recover ends the fault of a stage, waits until the gateway is normal, and undoes what the
// calls have changed.
func (t *tour) recover(ctx context.Context, s *tourStage) error {
	for _, i := range t.injected {
		i.Remove()
	}
	t.injected = nil
	var problems []error
	if s.end != nil {
		problems = append(problems, s.end(ctx, t))
	}
	start := time.Now()
	if err := t.awaitNormal(ctx); err != nil {
		return errors.Join(append(problems, fmt.Errorf("the gateway is not normal again: %w", err))...)
	}
	if s.isFault() {
		t.show.item("after", fmt.Sprintf("The fault has ended, and the gateway was normal again after %.1f s.", time.Since(start).Seconds()))
	}
	for _, call := range s.undo {
		problems = append(problems, t.calls.check(ctx, call))
	}
	return errors.Join(problems...)
}

// awaitNormal waits until nothing of a fault is left.
func (t *tour) awaitNormal(ctx context.Context) error {
	return await(ctx, func(ctx context.Context) error {
		now, err := t.metrics(ctx)
		if err != nil {
			return err
		}
		problems := []error{t.calls.once(ctx, demoCall{user: "portal", method: http.MethodGet, path: demoNumbers, status: http.StatusOK})}
		for _, m := range normalMetrics {
			problems = append(problems, m.compare(now, now))
		}
		return errors.Join(problems...)
	})
}

// tourTimes are the settings in which the tour's configuration differs.
const tourTimes = "journal.settle 2s, platform.timeouts.command 4s, platform.pool.max 1, platform.pool.wait 1s, platform.pool.outage_wait 0s, platform.backoff.initial 100ms, platform.backoff.refused 1s"

// The names of the configuration and of the journal in the tour's folder.
const (
	tourConfigFile = "ocigate.yaml"
	tourJournal    = "journal"
)

// tourGateway returns the gateway of the tour.
func (d *demo) tourGateway(platform, folder string, logs io.Writer) (*Program, error) {
	hash, err := auth.Hash(demoSecret)
	if err != nil {
		return nil, err
	}
	file := filepath.Join(folder, tourConfigFile)
	text := fmt.Sprintf(tourConfig, d.api, d.admin, hash, hash, hash, filepath.Join(folder, tourJournal), platform)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return nil, err
	}
	c, err := config.Load(file, nil)
	if err != nil {
		return nil, err
	}
	program, err := NewProgram(c, newLogger(c.Log, logs))
	if err == nil {
		program.readFrom(file)
	}
	return program, err
}

// tourConfig has the clients that the calls of the stages use.
const tourConfig = `http: {listen: %q, drain: 0s}
admin: {listen: %q}
log: {level: info, format: text}
auth:
  cookie: {secure: false}
  clients:
    - {id: portal, hash: %q, level: system}
    - {id: tenant, hash: %q, level: tenant, tenant_id: ApioSpTest}
    - {id: group, hash: %q, level: group, tenant_id: ApioSpTest, group_id: ApioGrpTest}
journal: {folder: %q, settle: 2s}
platform:
  endpoints: [{name: simulated, address: %q, tls: {enabled: false}}]
  user_id: gateway
  password: gateway-demo
  timeouts: {command: 4s}
  backoff: {initial: 100ms, max: 1s, refused: 1s, refused_max: 2s}
  pool: {max: 1, wait: 1s, outage_wait: 0s}
`
