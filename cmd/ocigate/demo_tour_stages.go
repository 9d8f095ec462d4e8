package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
)

// tourStage is one stage of the tour: a fault, and everything that shows it. The tour fails
// if anything that the stage declares is not shown.
type tourStage struct {
	name  string
	title string
	about string // what happens, and what ocigate does about it
	// faults are those of the simulated platform, in the text form of package ocisim.
	// disconnect reports whether the connections with it end as well. begin makes any
	// other fault and returns what it did, and end ends that.
	faults     []string
	disconnect bool
	begin      func(ctx context.Context, t *tour) (did string, err error)
	end        func(ctx context.Context, t *tour) error
	// calls are made while the fault lasts. state and knownBy are those of the operation
	// of the last write afterwards; state is empty if there is none.
	calls          []demoCall
	state, knownBy string
	// logs are parts of lines of the log, with "…" for any text between them.
	logs    []string
	metrics []tourMetric
	// alerts are the names of alerts that would fire, or noAlert says why there is none.
	alerts  []string
	noAlert string
	// undo are calls that undo what the calls have changed.
	undo []demoCall
}

// isFault reports whether anything goes wrong in the stage.
func (s *tourStage) isFault() bool { return len(s.faults) > 0 || s.begin != nil }

// normalMetrics are the metrics of a gateway without a fault.
var normalMetrics = []tourMetric{
	{name: "ocigate_platform_endpoint_up", is: 1},
	{name: "ocigate_platform_endpoint_resting", is: 0},
	{name: "ocigate_platform_account_refused", is: 0},
	{name: "ocigate_platform_session_waiters", is: 0},
	{name: "ocigate_operations_unresolved", is: 0},
	{name: "ocigate_journal_usable", is: 1},
	{name: "ocigate_reload_successful", is: 1},
}

// The calls of the stages.
var (
	tourList   = demoCall{title: "list the number ranges", user: "group", method: http.MethodGet, path: demoNumbers, status: 200, want: documentedNumbers}
	tourAssign = demoCall{
		title: "assign a number range", user: "tenant", method: http.MethodPost, path: demoNumbers, body: oneRange, status: 201, want: noAnswer,
		answered: map[string]string{"Operation-Outcome": "done"},
	}
	tourRemove = demoCall{title: "remove it", user: "tenant", method: http.MethodDelete, path: demoNumbers, body: oneStart, status: 200, want: noAnswer}
)

// fails returns a call that gets an error instead.
func (d demoCall) fails(status, code int, answered map[string]string) demoCall {
	d.status, d.code, d.want, d.answered = status, code, "", answered
	return d
}

// tourStages lists the stages in their order. To add one, add a row.
var tourStages = []tourStage{
	{
		name: "normal", title: "a read and a write, without a fault",
		about:   "A caller lists the number ranges of a group, and assigns one. The write is in the journal before it is sent, and its outcome is known by the platform's answer.",
		calls:   []demoCall{tourList, tourAssign},
		state:   "done",
		knownBy: "answer",
		logs:    []string{"endpoint=itc_numbers_assign…status=201"},
		metrics: []tourMetric{
			{name: "ocigate_http_requests_total", labels: `endpoint="itc_numbers_assign",status="201"`, grows: true},
			{name: "ocigate_operations_total", labels: `endpoint="itc_numbers_assign",outcome="done"`, grows: true},
		},
		noAlert: "nothing is wrong.",
		undo:    []demoCall{tourRemove},
	},
	{
		name: "lost-reply", title: "a write is carried out, and its reply is lost",
		about:   "The platform carries the write out and closes the connection. The gateway cannot know whether it was done, so it reads the list back, and reports what it finds. It never sends a write twice.",
		faults:  []string{"drop-after-apply " + demoWrites + " times=1"},
		calls:   []demoCall{tourAssign},
		state:   "done",
		knownBy: "reading",
		logs:    []string{`msg="session with the platform has ended"…reason=broken`},
		metrics: []tourMetric{
			{name: "ocigate_platform_commands_total", labels: `command="GroupRouteListEnterpriseTrunkNumberRangeAssignListRequest",result="lost"`, grows: true},
			{name: "ocigate_platform_sessions_closed_total", labels: `reason="broken"`, grows: true},
		},
		noAlert: "the outcome is known within the request.",
		undo:    []demoCall{tourRemove},
	},
	{
		name: "lost-request", title: "a write is lost before it is carried out",
		about:   "The connection ends before the platform has carried the write out. A reading that does not show the write proves nothing yet, because the platform may still carry it out. The caller gets 504 OUTCOME_UNKNOWN, and after journal.settle a further reading proves that it was not done.",
		faults:  []string{"drop-before-apply " + demoWrites + " times=1"},
		calls:   []demoCall{tourAssign.fails(504, 1015, map[string]string{"Operation-Outcome": "unknown"})},
		state:   "not_done",
		knownBy: "reading",
		logs:    []string{`msg="the outcome of a write is known now"…outcome=not_done`},
		metrics: []tourMetric{
			{name: "ocigate_operations_total", labels: `endpoint="itc_numbers_assign",outcome="unknown"`, grows: true},
			{name: "ocigate_operations_resolved_total", labels: `outcome="not_done"`, grows: true},
		},
		alerts: []string{"OcigateWriteUnknown"},
	},
	{
		name: "down", title: "the platform is down, and comes back",
		about:      "The platform ends all connections, and accepts no new ones. Callers get an error at once; the endpoint gets one attempt in each step of its backoff, however many callers there are.",
		faults:     []string{"refuse"},
		disconnect: true,
		calls:      []demoCall{tourList.fails(503, 1012, nil), tourAssign.fails(503, 1012, nil)},
		logs:       []string{`level=WARN msg="no session with the platform"`},
		metrics: []tourMetric{
			{name: "ocigate_platform_endpoint_up", is: 0},
			{name: "ocigate_http_requests_total", labels: `error="PLATFORM_UNAVAILABLE"`, grows: true},
		},
		alerts: []string{"OcigatePlatformDown"},
	},
	{
		name: "account-refused", title: "the platform refuses the gateway's account",
		about:      "The password of the account has expired. Each further attempt may count against the account, so there is only one within platform.backoff.refused, for all callers together.",
		faults:     []string{"expired-password"},
		disconnect: true,
		calls:      []demoCall{tourList.fails(503, 1012, nil)},
		logs:       []string{`level=ERROR msg="the platform refuses the credentials of the gateway's account`},
		metrics: []tourMetric{
			{name: "ocigate_platform_account_refused", is: 1},
			{name: "ocigate_platform_logins_total", labels: `result="login"`, grows: true},
		},
		alerts: []string{"OcigatePlatformAccountRefused", "OcigatePlatformDown"},
	},
	{
		name: "overload", title: "the platform is slow, with more requests than sessions",
		about:  "Each list takes 3 seconds, and there is one session. The second of two callers waits in the queue for platform.pool.wait, and is refused then. Nothing of its request was sent, and Retry-After says when to try again.",
		faults: []string{"slow delay=3s " + demoLists},
		calls: []demoCall{{
			title: "two lists at the same time", user: "tenant", method: http.MethodGet, path: itc("ApioSpTest", eachWord, "numbers"),
			each: []string{"ApioGrpTest", "ApioGrpOther"}, besides: 200, patient: true, status: 503, code: 1013,
		}},
		logs:    []string{"status=503…PLATFORM_BUSY"},
		metrics: []tourMetric{{name: "ocigate_platform_requests_shed_total", grows: true}},
		alerts:  []string{"OcigateRequestsShed"},
	},
	{
		name: "garbled", title: "a reply is not XML",
		about:   "Something between the gateway and the platform answers in its place. The gateway uses nothing of a reply that it cannot read completely, and ends the session. The caller gets an error instead of a part of a list.",
		faults:  []string{"garbage " + demoLists},
		calls:   []demoCall{tourList.fails(502, 1011, nil)},
		logs:    []string{`msg="session with the platform has ended"…reason=broken`},
		metrics: []tourMetric{{name: "ocigate_platform_replies_refused_total", labels: `reason="not_xml"`, grows: true}},
		alerts:  []string{"OcigatePlatformRepliesRefused"},
	},
	{
		name: "logged-out", title: "the platform logs a session out",
		about:  "The platform ends a session instead of answering. Nothing was carried out, so the read is sent again over a new session. The caller notices nothing.",
		faults: []string{`forced-logout-instead reason="Server Connection Failure" ` + demoLists + " times=1"},
		calls:  []demoCall{tourList},
		logs:   []string{`msg="session with the platform has ended"…Server Connection Failure`},
		metrics: []tourMetric{
			{name: "ocigate_platform_sessions_closed_total", labels: `reason="broken"`, grows: true},
			{name: "ocigate_platform_logins_total", labels: `result="ok"`, grows: true},
		},
		noAlert: "no request has failed.",
	},
	{
		name: "journal", title: "the journal cannot be written",
		about:   "The folder of the journal is gone, as after an unmounted disk. A write that cannot be recorded is not sent. Reads work.",
		begin:   moveJournalAway,
		end:     moveJournalBack,
		calls:   []demoCall{tourAssign.fails(503, 1018, nil), tourList},
		logs:    []string{`level=ERROR msg="the journal is not usable: writes are refused"`},
		metrics: []tourMetric{{name: "ocigate_journal_usable", is: 0}},
		alerts:  []string{"OcigateJournalUnusable"},
	},
	{
		name: "reload", title: "a mistake in the configuration",
		about:   "A key in the file of the configuration is misspelled, and the gateway is made to read the file again. It reports the mistake, and goes on with the configuration that it has.",
		begin:   reloadMistake,
		end:     reloadCorrected,
		calls:   []demoCall{tourList},
		logs:    []string{`level=ERROR msg="reload failed: the effective configuration is unchanged"`},
		metrics: []tourMetric{{name: "ocigate_reload_successful", is: 0}},
		alerts:  []string{"OcigateReloadFailed"},
	},
}

// awayFolder is where the journal is while its folder is gone.
const awayFolder = "away"

// moveJournalAway takes the folder of the journal away, and leaves a file in its place.
func moveJournalAway(_ context.Context, t *tour) (string, error) {
	journal := filepath.Join(t.folder, tourJournal)
	err := os.Rename(journal, filepath.Join(t.folder, awayFolder))
	if err == nil {
		err = os.WriteFile(journal, nil, 0o600)
	}
	return "the folder journal.folder was moved away", err
}

func moveJournalBack(_ context.Context, t *tour) error {
	journal := filepath.Join(t.folder, tourJournal)
	if err := os.Remove(journal); err != nil {
		return err
	}
	return os.Rename(filepath.Join(t.folder, awayFolder), journal)
}

// The mistake, and what it is in the correct file.
const (
	misspelledKey = "pool: {maxx: "
	correctKey    = "pool: {max: "
)

// reloadMistake misspells a key of the configuration and has the gateway read it again.
func reloadMistake(ctx context.Context, t *tour) (string, error) {
	err := t.replaceInConfig(correctKey, misspelledKey)
	if err != nil {
		return "", err
	}
	var printed bytes.Buffer
	err = reloadAt(ctx, strings.TrimPrefix(t.admin, "http://"), &printed)
	if err == nil {
		return "", fmt.Errorf("the mistake was accepted: %s", &printed)
	}
	return fmt.Sprintf("platform.pool.max was misspelled in the file, and \"ocigate reload\" was run. It printed: %v", err), nil
}

func reloadCorrected(ctx context.Context, t *tour) error {
	if err := t.replaceInConfig(misspelledKey, correctKey); err != nil {
		return err
	}
	return reloadAt(ctx, strings.TrimPrefix(t.admin, "http://"), &bytes.Buffer{})
}

// replaceInConfig changes the file of the configuration.
func (t *tour) replaceInConfig(text, by string) error {
	file := filepath.Join(t.folder, tourConfigFile)
	before, err := os.ReadFile(file) //nolint:gosec // the tour has written it
	if err != nil {
		return err
	}
	return os.WriteFile(file, []byte(strings.Replace(string(before), text, by, 1)), 0o600) //nolint:gosec // see above
}
