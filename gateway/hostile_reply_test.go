package gateway_test

import (
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// The catalogue of hostile replies. Add a case to a file of testdata/hostile/replies, whose
// README.md explains the fields.

const hostileReplies = "../testdata/hostile/replies"

// hostileReply is one case of the catalogue; its README.md explains the fields.
type hostileReply struct {
	name       string
	call       string
	fault      string
	answers    string
	after      string
	carriedOut bool
	times      int

	status   int
	error    string
	commands int
	outcome  string
	later    string
	refused  map[string]float64
	reply    string
}

// hostileCalls are the requests that a case can make.
var hostileCalls = map[string]struct {
	call    call
	command string // whose reply is replaced by default
}{
	"numbers":         {call{path: ownList("numbers"), client: system}, rangeCommand + "GetSummaryListRequest"},
	"prefixes":        {call{path: ownList("prefixes"), client: system}, prefixCommand + "GetSummaryListRequest"},
	"assign numbers":  {writeCaseOf("itc_numbers_assign").call, writeCaseOf("itc_numbers_assign").command},
	"remove numbers":  {writeCaseOf("itc_numbers_remove").call, writeCaseOf("itc_numbers_remove").command},
	"assign prefixes": {writeCaseOf("itc_prefixes_assign").call, writeCaseOf("itc_prefixes_assign").command},
	"remove prefixes": {writeCaseOf("itc_prefixes_remove").call, writeCaseOf("itc_prefixes_remove").command},
	"login":           {loginCall("groupadmin", "groupadmin-demo"), "LoginRequest14sp4"},
}

// readHostileReplies reads the catalogue.
func readHostileReplies(t testing.TB) []hostileReply {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(hostileReplies, "*.txt"))
	must(t, err)
	var all []hostileReply
	for _, file := range files {
		raw, err := os.ReadFile(file)
		must(t, err)
		for i, part := range strings.Split("\n"+string(raw), "\n== ") {
			if i == 0 {
				continue // what precedes the first case
			}
			all = append(all, parseHostileReply(t, filepath.Base(file), part))
		}
	}
	return all
}

func parseHostileReply(t testing.TB, file, part string) hostileReply {
	t.Helper()
	head, reply, found := strings.Cut(part, "\n--\n")
	title, fields, _ := strings.Cut(head, "\n")
	h := hostileReply{name: strings.TrimSuffix(file, ".txt") + "/" + title, refused: map[string]float64{}, reply: strings.TrimSuffix(reply, "\n")}
	if !found {
		t.Fatalf("%s has no reply", h.name)
	}
	number := func(text string) int {
		n, err := strconv.Atoi(text)
		must(t, err)
		return n
	}
	for line := range strings.SplitSeq(fields, "\n") {
		key, value, _ := strings.Cut(line, ": ")
		switch key {
		case "call":
			h.call = value
		case "fault":
			h.fault = value
		case "answers":
			h.answers = value
		case "after":
			h.after = value
		case "carried out":
			h.carriedOut = value == "yes"
		case "times":
			h.times = number(value)
		case "want":
			status, name, _ := strings.Cut(value, " ")
			h.status, h.error = number(status), name
		case "commands":
			h.commands = number(value)
		case "outcome":
			h.outcome = value
		case "later":
			h.later = value
		case "refused":
			reason, count, _ := strings.Cut(value, " ")
			h.refused[reason] = float64(number(count))
		default:
			t.Fatalf("%s has a field %q", h.name, line)
		}
	}
	known, ok := hostileCalls[h.call]
	if !ok || h.status == 0 {
		t.Fatalf("%s lacks a call or a status: %+v", h.name, h)
	}
	if h.answers == "" {
		h.answers = known.command
	}
	return h
}

// What one reply may cost, beside one and a half times its bytes: what else a
// request allocates, a password hash among it.
const requestBytes = 24 << 20

func TestHostileReplies(t *testing.T) {
	catalogue := readHostileReplies(t)
	if len(catalogue) < 100 {
		t.Errorf("the catalogue has %d replies", len(catalogue))
	}
	names := map[string]bool{}
	for _, h := range catalogue {
		if names[h.name] {
			t.Errorf("%s is there twice", h.name)
		}
		names[h.name] = true
	}
	for _, h := range underRaceSixth(t, catalogue) {
		t.Run(h.name, func(t *testing.T) {
			m := &replyInjector{TB: t, with: h}
			s := setup{platform: m.over}
			if h.fault != "" {
				s.faults = []string{h.fault}
			}
			inBubble(t, s, func(t *testing.T, r *rig) {
				t.Cleanup(m.serving.Wait)
				m.check(t, r)
			})
		})
	}
}

// check makes the call of a case and checks its effects.
func (m *replyInjector) check(t *testing.T, r *rig) {
	t.Helper()
	h := m.with
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	got := r.call(t, hostileCalls[h.call].call)
	runtime.ReadMemStats(&after)
	synctest.Wait() // what follows a reply may be refused after it
	m.mu.Lock()
	commands, written, injected := slices.Clone(m.commands), m.written, m.injected
	m.mu.Unlock()

	if h.error == "" {
		got.wantStatus(t, h.status)
	} else {
		got.wantError(t, h.status, h.error)
	}
	if injected == 0 {
		t.Error("the reply was never sent")
	}
	if len(commands) != h.commands {
		t.Errorf("%d commands reached the platform, want %d: %v", len(commands), h.commands, commands)
	}
	if allocated := int(after.TotalAlloc - before.TotalAlloc); allocated > written*3/2+requestBytes {
		t.Errorf("%d bytes were allocated for %d bytes of replies", allocated, written)
	}
	if limit := 64 << 10; len(got.body) > limit {
		t.Errorf("the answer has %d bytes", len(got.body))
	}
	if logged := len(r.log.String()); logged > 64<<10 {
		t.Errorf("%d bytes were logged", logged)
	}
	m.checkWrite(t, r, got)
	counts := counted(t, r, "ocigate_platform_replies_refused_total")
	for label, count := range counts {
		if count == 0 {
			delete(counts, label)
		}
	}
	want := map[string]float64{}
	for why, count := range h.refused {
		want["primary "+why] = count
	}
	if h.outcome == "" || h.after == "" { // while a write is unknown, it is read back repeatedly
		if diff := cmp.Diff(want, counts); diff != "" {
			t.Errorf("refused (-want +got):\n%s", diff)
		}
	}
}

// checkWrite checks a write against the platform's ledger.
func (m *replyInjector) checkWrite(t *testing.T, r *rig, got response) {
	t.Helper()
	h := m.with
	sent := 0
	m.mu.Lock()
	commands := slices.Clone(m.commands)
	m.mu.Unlock()
	for _, name := range commands {
		if slices.ContainsFunc(writeCases(), func(w writeCase) bool { return w.command == name }) {
			sent++
		}
	}
	writes := r.platform.Writes()
	if sent > 1 || len(writes) > 1 {
		t.Errorf("the write was sent %d times, and arrived %d times", sent, len(writes))
	}
	if h.outcome == "" {
		if sent > 0 {
			t.Error("there was a write")
		}
		return
	}
	applied := len(writes) == 1 && writes[0].Applied
	id := got.wantOutcome(t, h.outcome)
	if h.outcome == "done" && !applied || h.outcome == "not_done" && applied {
		t.Errorf("the outcome is %s, and the platform has done it: %t", h.outcome, applied)
	}
	if h.later == "" {
		return
	}
	time.Sleep(2 * time.Minute)
	op, _ := r.operation(t, id)
	if op.State != h.later {
		t.Errorf("later the state is %s, want %s", op.State, h.later)
	}
	if op.State == "done" && !applied || op.State == "not_done" && applied {
		t.Errorf("later the state is %s, and the platform has done it: %t", op.State, applied)
	}
	size := 0
	for _, content := range r.journalFiles(t) {
		size += len(content)
	}
	if size > 256<<10 {
		t.Errorf("the journal has %d bytes", size)
	}
}
