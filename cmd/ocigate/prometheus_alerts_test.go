//go:build linux

package main

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
)

// These tests run the alert rules in the real Prometheus, against real gateways. The faults
// that provoke the alerts are in prometheus_alerts_*_test.go. To add an alert, add a fault
// that provokes it: without one TestPrometheusAlerts fails.

// TestPrometheusRulesAreValid runs promtool on the files that operators get: on the rules, on
// their tests, and on a configuration with the job of scrape.yaml, as it is and with all that
// can be turned on in it.
func TestPrometheusRulesAreValid(t *testing.T) {
	promtool := findProgram(t, "promtool")
	t.Parallel()
	folder := filepath.Join(moduleRoot, prometheusFolder)
	run := func(args ...string) {
		t.Helper()
		command := exec.Command(promtool, args...)
		command.Dir = folder
		if out, err := command.CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	run("check", "rules", "rules.yaml")
	run("test", "rules", "rules_test.yaml")
	rules, err := filepath.Abs(filepath.Join(folder, "rules.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	scrape, err := os.ReadFile(filepath.Join(folder, "scrape.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	commentedOut := regexp.MustCompile(`(?m)^( *)#(  - |[a-z])`)
	if !commentedOut.Match(scrape) {
		t.Error("scrape.yaml has nothing that can be turned on")
	}
	for name, text := range map[string]string{"as it is": string(scrape), "with everything": commentedOut.ReplaceAllString(string(scrape), "$1$2")} {
		file := filepath.Join(t.TempDir(), "prometheus.yaml")
		writeText(t, file, fmt.Sprintf("rule_files: [%q]\n%s", rules, text))
		t.Run(name, func(*testing.T) { run("check", "config", file) })
	}
}

// The test does not wait for the durations of the rules. It shortens them: each window and
// each "for" is divided by shortenBy, and kept between these limits, which leave room for
// some scrapes a second apart.
const (
	shortenBy              = 90
	minWindow, maxWindow   = 5 * time.Second, 20 * time.Second
	minPending, maxPending = time.Second, 3 * time.Second
	alertInterval          = time.Second
	alertPatience          = 3 * time.Minute // until all alerts have fired, or resolved, on a busy machine
)

// shortenedThresholds are thresholds of a duration in seconds, with what replaces them. All
// other thresholds are those of the operators.
var shortenedThresholds = map[string][2]string{
	"OcigateWriteUnresolved":     {"> 90 <= 900", "> 2 <= 12"},
	"OcigateWriteUnresolvedLong": {"> 900", "> 12"},
	"OcigateWriteCorrected":      {"< 3600", "< 20"},
	"OcigateWriteUndone":         {"< 3600", "< 20"},
	"OcigateRequestsSlow":        {"> 5", "> 0.5"},
}

var promDuration = regexp.MustCompile(`\[(\w+)\]`)

// shorten divides a duration of a rule.
func shorten(t *testing.T, text string, least, most time.Duration) string {
	t.Helper()
	d, err := time.ParseDuration(text) // hours at most: no rule has days
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%dms", min(max(d/shortenBy, least), most).Milliseconds())
}

// shortenedRules writes the rules with shorter durations and returns the file.
func shortenedRules(t *testing.T) string {
	t.Helper()
	file := readRules(t)
	for _, r := range file.all() {
		r.Expr = promDuration.ReplaceAllStringFunc(r.Expr, func(window string) string {
			return "[" + shorten(t, strings.Trim(window, "[]"), minWindow, maxWindow) + "]"
		})
		if r.For != "" {
			r.For = shorten(t, r.For, minPending, maxPending)
		}
		if threshold, ok := shortenedThresholds[r.Alert]; ok {
			if strings.Count(r.Expr, threshold[0]) != 1 {
				t.Errorf("%s does not have %q once: %s", r.Alert, threshold[0], r.Expr)
			}
			r.Expr = strings.Replace(r.Expr, threshold[0], threshold[1], 1)
		}
	}
	text, err := yaml.Marshal(file)
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "rules.yaml")
	writeText(t, name, string(text))
	return name
}

// alertSeen is an alert of one instance, which is empty for an alert of none.
type alertSeen struct{ name, instance string }

func (a alertSeen) String() string { return a.name + " of " + a.instance }

// alertWatch follows the alerts of a Prometheus whose targets are in a file. It looks all the
// time: an alert may fire and resolve while a test does something else.
type alertWatch struct {
	*prometheusServer
	file    string
	targets []string

	mu     sync.Mutex                    // guards the fields below
	fired  map[alertSeen]prometheusAlert // each at its first time
	firing map[alertSeen]bool            // at the last look
	up     map[string]bool               // instances that were scraped successfully, at the last look
	looks  int
}

// watchAlerts starts a Prometheus with the shortened rules and without targets.
func watchAlerts(t *testing.T) *alertWatch {
	t.Helper()
	file := filepath.Join(t.TempDir(), "targets.yaml")
	writeText(t, file, "[]\n")
	w := &alertWatch{
		prometheusServer: startPrometheus(t, prometheusOptions{
			interval: alertInterval, rules: []string{shortenedRules(t)},
			scrape: fmt.Sprintf("file_sd_configs: [{files: [%q]}]\n", file),
		}),
		file: file, fired: map[alertSeen]prometheusAlert{},
	}
	stopped := make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() {
		tick := time.NewTicker(250 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-stopped:
				return
			case <-tick.C:
				w.look(t)
			}
		}
	})
	t.Cleanup(func() { close(stopped); watching.Wait() })
	return w
}

// scrape adds the listener for operators of a gateway as a target, and waits until it has
// been scraped: only then increase() sees what happens next.
func (w *alertWatch) scrape(t *testing.T, addresses ...string) {
	t.Helper()
	w.targets = append(w.targets, addresses...)
	text, err := yaml.Marshal([]map[string][]string{{"targets": w.targets}})
	if err != nil {
		t.Fatal(err)
	}
	// Prometheus must never read a part of it.
	writeText(t, w.file+".new", string(text))
	if err := os.Rename(w.file+".new", w.file); err != nil {
		t.Fatal(err)
	}
	w.waitScraped(t, len(w.targets), 2)
}

// look reads the alerts. An error is that of a look: the next one may succeed.
func (w *alertWatch) look(t *testing.T) {
	var data struct{ Alerts []prometheusAlert }
	samples, err := w.tryQuery(t, `up{job="ocigate"} == 1`)
	if err != nil || w.ask(t, "/api/v1/alerts", nil, &data) != nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.looks++
	w.firing, w.up = map[alertSeen]bool{}, map[string]bool{"": true}
	for _, sample := range samples {
		w.up[sample.Metric["instance"]] = true
	}
	for _, a := range data.Alerts {
		if a.State != "firing" {
			continue
		}
		seen := alertSeen{a.Labels["alertname"], a.Labels["instance"]}
		w.firing[seen] = true
		if _, before := w.fired[seen]; !before {
			w.fired[seen] = a
		}
	}
}

// state returns which of the alerts have not fired, and which of them fire now or cannot be
// seen, as of a look that began after a number of looks.
func (w *alertWatch) state(alerts []alertSeen, after int) (silent, unresolved []alertSeen) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, a := range alerts {
		if _, ok := w.fired[a]; !ok {
			silent = append(silent, a)
		}
		// An alert of an instance that is not scraped has not resolved. A look that has
		// begun may not have seen the last change.
		if w.looks <= after+1 || w.firing[a] || !w.up[a.instance] {
			unresolved = append(unresolved, a)
		}
	}
	return silent, unresolved
}

// lookCount returns how often it has looked.
func (w *alertWatch) lookCount() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.looks
}

// await waits until missing returns nothing.
func (w *alertWatch) await(t *testing.T, what string, missing func() []alertSeen) {
	t.Helper()
	began := time.Now()
	var last []alertSeen
	for tick := time.Tick(100 * time.Millisecond); ; {
		open := missing()
		if len(open) == 0 {
			break
		}
		last = open
		if time.Since(began) > alertPatience {
			t.Fatalf("after %v these have not %s: %v", alertPatience, what, open)
		}
		select {
		case <-w.ended:
			t.Fatalf("Prometheus has ended: %v", w.failure)
		case <-tick:
		}
	}
	t.Logf("all have %s after %v, the last ones were %v", what, time.Since(began).Round(time.Second), last)
}

// awaitFired waits until alerts have fired at some time.
func (w *alertWatch) awaitFired(t *testing.T, alerts ...alertSeen) {
	t.Helper()
	w.await(t, "fired", func() []alertSeen { silent, _ := w.state(alerts, 0); return silent })
}

// awaitResolved waits until none of the alerts fires.
func (w *alertWatch) awaitResolved(t *testing.T, alerts ...alertSeen) {
	t.Helper()
	from := w.lookCount()
	w.await(t, "resolved", func() []alertSeen { _, unresolved := w.state(alerts, from); return unresolved })
}

// allFired returns the alerts that have fired, each as it was at its first time.
func (w *alertWatch) allFired() map[alertSeen]prometheusAlert {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.fired)
}

// forget makes an alert count as one that has not fired.
func (w *alertWatch) forget(a alertSeen) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.fired, a)
}

// alertFault provokes alerts.
type alertFault struct {
	name   string
	alerts []string
	// needs is why the fault cannot be tried here; empty if it can.
	needs func() string
	// begin starts a gateway and returns the address of its listener for operators.
	begin func(f *faultRun) (admin string)
	// provoke makes the fault, after the gateway was scraped. It returns what ends it.
	provoke func(f *faultRun) (end func())
}

// faultRun is a fault while it is tried.
type faultRun struct {
	*testing.T
	fault *alertFault
	watch *alertWatch

	gateway *running
	admin   string
	alerts  []alertSeen
	end     func() // of the fault; nil when it has ended
	ended   int    // how many looks there were then
}

// step ends the fault as soon as all its alerts have fired, and returns those that have not
// fired, or not resolved. The faults end one by one: the longer one lasts, the longer take
// the pauses between the attempts of a gateway to recover.
func (f *faultRun) step() []alertSeen {
	f.Helper()
	silent, unresolved := f.watch.state(f.alerts, f.ended)
	if len(silent) > 0 {
		return silent
	}
	if f.end != nil {
		f.end()
		f.end, f.ended = nil, f.watch.lookCount()
		return f.alerts
	}
	return unresolved
}

// repeat calls a function again and again, until the returned function is called. It must
// not use the test.
func (f *faultRun) repeat(pause time.Duration, call func()) (stop func()) {
	stopped := make(chan struct{})
	var working sync.WaitGroup
	working.Go(func() {
		tick := time.NewTicker(pause)
		defer tick.Stop()
		for {
			call()
			select {
			case <-stopped:
				return
			case <-tick.C:
			}
		}
	})
	stop = sync.OnceFunc(func() { close(stopped); working.Wait() })
	f.Cleanup(stop)
	return stop
}

// TestPrometheusAlerts provokes every alert in real gateways, one for each fault: it injects
// the faults, waits until the real Prometheus has fired the alerts, ends the faults, and waits
// until all alerts have resolved. A gateway without a fault must have none.
func TestPrometheusAlerts(t *testing.T) {
	findProgram(t, "prometheus")
	t.Parallel() // it waits most of the time
	faults := slices.Concat(platformFaults(), callerFaults(), settingFaults(), writeFaults(), processFaults())
	provoked := []string{"OcigateAbsent", "OcigateVersionsDiffer"} // by TestPrometheusAlertsOfAllReplicas
	for i := range faults {
		provoked = append(provoked, faults[i].alerts...)
	}
	slices.Sort(provoked)
	if names := slices.Sorted(slices.Values(alertNames(t))); !slices.Equal(provoked, names) {
		t.Fatalf("the faults provoke %v\nthe rules have %v", provoked, names)
	}

	w := watchAlerts(t)
	healthy := start(t, newPlatform(t).Addr, nil)
	var runs []*faultRun
	var skipped []string
	addresses := []string{healthy.admin}
	for i := range faults {
		f := &faultRun{T: t, fault: &faults[i], watch: w}
		if f.fault.needs != nil {
			if why := f.fault.needs(); why != "" {
				t.Logf("not tried: %v: %s", f.fault.alerts, why)
				skipped = append(skipped, f.fault.alerts...)
				continue
			}
		}
		f.admin = f.fault.begin(f)
		runs, addresses = append(runs, f), append(addresses, f.admin)
	}
	w.scrape(t, addresses...)

	alerts := 0
	for i, f := range runs {
		for _, earlier := range runs[:i] {
			earlier.step()
		}
		for _, name := range f.fault.alerts {
			f.alerts = append(f.alerts, alertSeen{name, f.admin})
		}
		alerts += len(f.alerts)
		f.end = f.fault.provoke(f)
	}
	w.await(t, "fired and resolved", func() []alertSeen {
		var open []alertSeen
		for _, f := range runs {
			open = append(open, f.step()...)
		}
		return open
	})

	fired := w.allFired()
	for seen := range fired {
		// A busy machine may miss scrapes.
		if seen.instance == healthy.admin && seen.name != "OcigateDown" {
			t.Errorf("%s fired for a gateway without a fault", seen.name)
		}
	}
	for _, f := range runs {
		for _, seen := range f.alerts {
			checkAlertTexts(t, fired[seen])
		}
	}
	t.Logf("%d of %d alerts provoked, %d fired, %d resolved", alerts, alerts+len(skipped), alerts, alerts)
}

// phoneNumber finds what must not be in an alert, since alerts go to other systems.
var phoneNumber = regexp.MustCompile(`\+?\d{8,}`)

// checkAlertTexts requires that the annotations could be made from the values.
func checkAlertTexts(t *testing.T, a prometheusAlert) {
	t.Helper()
	text := a.Annotations["description"]
	if text == "" || strings.Contains(text, "<no value>") || strings.Contains(text, "<error") || strings.Contains(text, "{{") {
		t.Errorf("the description of %s is %q", a.Labels["alertname"], text)
	}
	for _, value := range a.Annotations {
		if phoneNumber.MatchString(value) {
			t.Errorf("%s has a number in %q", a.Labels["alertname"], value)
		}
	}
	t.Logf("%-8s %-32s %s", a.Labels["severity"], a.Labels["alertname"], text)
}
