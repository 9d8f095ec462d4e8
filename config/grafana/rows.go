package grafana

// The tables from which the dashboard is made: the rows that are open.

const (
	durations = "ocigate_http_request_duration_seconds"
	commands  = "ocigate_platform_command_duration_seconds"
	waits     = "ocigate_platform_session_wait_seconds"
)

// rows returns all rows, in their order.
func rows() []row {
	return []row{
		{title: "State", panels: statePanels},
		{title: "Traffic", panels: trafficPanels},
		{title: "Writes", panels: writePanels},
		{title: "Platform: $platform_endpoint", panels: platformPanels},
		{title: "Callers and fairness", closed: true, panels: callerPanels},
		{title: "Process", closed: true, panels: processPanels},
		{title: "Configuration", closed: true, panels: configurationPanels},
	}
}

var outcomeColors = []string{"done", "green", "not_done", "blue", "partly_done", "orange", "unknown", "red"}

var statePanels = []panel{
	{
		kind: number, title: "Replicas down", unit: "short", alert: "OcigateDown",
		help:    "Replicas that Prometheus cannot scrape. 0 is normal.",
		queries: []query{{expr: `sum(1 - up{@})`}},
		steps:   []step{{1, "red"}},
	},
	{
		kind: number, title: "Platform endpoints down", unit: "short", alert: "OcigatePlatformEndpointDown",
		help:    "Platform endpoints that at least one replica cannot reach, or that refuse its login. One is a warning if another one is up.",
		queries: []query{{expr: `sum(1 - min by (platform_endpoint) (ocigate_platform_endpoint_up{@@}))`}},
		steps:   []step{{1, "orange"}, {2, "red"}},
	},
	{
		kind: number, title: "Alerts firing", unit: "short", page: alertsPage, none: "none",
		help:    "Alerts of ocigate's rules that are firing in this Prometheus, of all replicas of the job, and of no job. The runbook has a section for each.",
		queries: []query{{expr: `count(ALERTS{alertname=~"Ocigate.+",alertstate="firing",job=~"$job|"})`}},
		steps:   []step{{1, "red"}},
	},
	{
		kind: number, title: "Unresolved writes", unit: "short", alert: "OcigateWriteUnresolved",
		help:    "Writes whose outcome is unknown and is being read back. It is more than 0 for a moment after a reply was lost; look at their age if it stays.",
		queries: []query{{expr: `sum(ocigate_operations_unresolved{@})`}},
		steps:   []step{{1, "orange"}, {10, "red"}},
	},
	{
		kind: number, title: "Journal", unit: "short", alert: "OcigateJournalUnusable",
		help:    "Whether every replica can record writes. While one cannot, it refuses all writes.",
		queries: []query{{expr: `min(ocigate_journal_usable{@})`}},
		words:   goodIfOne("usable", "not usable"), steps: []step{{lowest, "red"}, {1, "green"}},
	},
	{
		kind: number, title: "Next certificate expires in", unit: "s", none: "no certificate", alert: "OcigateCertificateExpires",
		help:    "Time until the first certificate expires that is in use: of the API, of the client and the authorities for the platform, or the one that the platform presents. Orange below 14 days, red below 2.",
		queries: []query{{expr: `min(ocigate_certificate_not_after_timestamp_seconds{@}) - time()`}},
		steps:   []step{{lowest, "red"}, {2 * 86400, "orange"}, {14 * 86400, "green"}},
	},
	{
		kind: number, title: "Requests", unit: "reqps",
		help:    "Requests to the API that end per second, of all replicas.",
		queries: []query{{expr: `sum(rate(ocigate_http_requests_total{@}[$__rate_interval]))`}},
	},
	{
		kind: number, title: "Requests that fail", unit: "percentunit", alert: "OcigatePlatformErrors",
		help:    "Share of all requests whose response has a status from 500: the platform or the gateway did not do what was asked. Refusals of invalid requests are not in it.",
		queries: []query{{expr: `sum(rate(ocigate_http_requests_total{@,status=~"5.."}[$__rate_interval])) / (sum(rate(ocigate_http_requests_total{@}[$__rate_interval])) > 0)`}},
		steps:   []step{{0.01, "orange"}, {0.05, "red"}}, none: "no requests",
	},
	{
		kind: number, title: "95 % of requests take at most", unit: "s", alert: "OcigateRequestsSlow",
		help:    "Quantile 0.95 of the time from the header of a request to the end of its response, over all routes.",
		queries: []query{{expr: "(" + quantile("0.95", durations, "{@}") + ") >= 0"}}, // without requests, it is not a number
		steps:   []step{{2, "orange"}, {5, "red"}}, none: "no requests",
	},
	{
		kind: number, title: "Sessions in use", unit: "percentunit", alert: "OcigateSessionsBusy",
		help:    "Share of the maximum of sessions with the platform that are in use. At 100 %, requests wait for one.",
		queries: []query{{expr: `sum(ocigate_platform_sessions{@,state="busy"}) / sum(ocigate_platform_sessions_max{@})`}},
		steps:   []step{{0.8, "orange"}, {0.95, "red"}},
	},
	{
		kind: number, title: "Last reload", unit: "short", alert: "OcigateReloadFailed",
		help:    "Whether the last reload of every replica was successful. One that was not has changed nothing; the log has the cause.",
		queries: []query{{expr: `min(ocigate_reload_successful{@})`}},
		words:   goodIfOne("successful", "failed"), steps: []step{{lowest, "red"}, {1, "green"}},
	},
	{
		kind: number, title: "Versions", unit: "short", alert: "OcigateVersionsDiffer",
		help:    "Replicas by their version. More than one version is normal during an upgrade only.",
		queries: []query{{expr: `count by (version) (ocigate_build_info{@})`, legend: "{{version}}"}},
	},
}

var trafficPanels = []panel{
	{
		kind: lines, title: "Requests by route", unit: "reqps", width: 12,
		help:    "Requests that end per second, by route of the API. The route none has those that match no route.",
		queries: []query{{expr: `sum by (endpoint) (rate(ocigate_http_requests_total{@}[$__rate_interval]))`, legend: "{{endpoint}}"}},
	},
	{
		kind: bars, title: "Errors by name", unit: "reqps", width: 12, alert: "OcigatePlatformErrors",
		help:    "Responses with an error per second, by the name of the error. CALLER_LEFT is a caller that disconnected before the response. The page of the API has what to do about each.",
		queries: []query{{expr: `sum by (error) (rate(ocigate_http_requests_total{@,error!="none"}[$__rate_interval])) > 0`, legend: "{{error}}"}},
		none:    "no errors",
	},
	{
		kind: lines, title: "Time of requests", unit: "s", width: 12, alert: "OcigateRequestsSlow",
		help: "Quantiles of the time of requests, over all routes. The points are exemplars: requests with a sampled trace, with a link to it if the data source has one.",
		queries: []query{
			{expr: quantile("0.99", durations, "{@}"), legend: "99 %", exemplars: true},
			{expr: quantile("0.95", durations, "{@}"), legend: "95 %"},
			{expr: quantile("0.5", durations, "{@}"), legend: "50 %"},
		},
	},
	{
		kind: heat, title: "Distribution of the time of requests", unit: "s", width: 12,
		help:    "How many requests took how long. Two bands are two kinds of requests, as reads and writes, or a platform endpoint that is slow.",
		queries: []query{{expr: distribution(durations, "{@}"), legend: "{{le}}", exemplars: true}},
	},
	{
		kind: lines, title: "Share of responses with an error", unit: "percentunit", alert: "OcigateInternalErrors",
		help: "Who is the cause of errors: the platform (an error PLATFORM_…, or a write that is unknown or done in part), the gateway with its journal and issuer (all others with a status from 500), or callers (a status from 400).",
		queries: []query{
			{expr: `sum(rate(ocigate_http_requests_total{@,status=~"5..",error=~"PLATFORM_.+|OUTCOME_UNKNOWN|PARTLY_DONE"}[$__rate_interval])) / (sum(rate(ocigate_http_requests_total{@}[$__rate_interval])) > 0)`, legend: "platform"},
			{expr: `sum(rate(ocigate_http_requests_total{@,status=~"5..",error!~"PLATFORM_.+|OUTCOME_UNKNOWN|PARTLY_DONE"}[$__rate_interval])) / (sum(rate(ocigate_http_requests_total{@}[$__rate_interval])) > 0)`, legend: "gateway"},
			{expr: `sum(rate(ocigate_http_requests_total{@,status=~"4.."}[$__rate_interval])) / (sum(rate(ocigate_http_requests_total{@}[$__rate_interval])) > 0)`, legend: "callers"},
		},
		steps: []step{{0.05, "red"}}, none: "no requests",
		colors: []string{"platform", "orange", "gateway", "red", "callers", "blue"},
	},
	{
		kind: lines, title: "Time of requests by route", unit: "s",
		help:    "Quantile 0.95 of the time of requests, by route. A route without requests has no line.",
		queries: []query{{expr: quantile("0.95", durations, "{@}", "endpoint"), legend: "{{endpoint}}"}},
	},
	{
		kind: areas, title: "Requests in flight", unit: "short",
		help:    "Requests that have begun and not ended, by replica. A rise without more requests means that the platform is slow.",
		queries: []query{{expr: `ocigate_http_requests_in_flight{@}`, legend: "{{instance}}"}},
	},
}

var writePanels = []panel{
	{
		kind: bars, title: "Writes by first outcome", unit: "wpm", alert: "OcigateWriteUnknown",
		help:    "Writes per minute, by the outcome with which they were first recorded. Those that are unknown are read back.",
		queries: []query{{expr: `60 * sum by (outcome) (rate(ocigate_operations_total{@}[$__rate_interval]))`, legend: "{{outcome}}"}},
		colors:  outcomeColors,
	},
	{
		kind: bars, title: "Unknown writes that were resolved", unit: "wpm",
		help:    "Writes per minute whose unknown outcome was found out, by that outcome.",
		queries: []query{{expr: `60 * sum by (outcome) (rate(ocigate_operations_resolved_total{@}[$__rate_interval]))`, legend: "{{outcome}}"}},
		colors:  outcomeColors,
	},
	{
		kind: areas, title: "Unresolved writes by replica", unit: "short", alert: "OcigateWriteUnresolved",
		help:    "Writes whose outcome is unknown, by the replica that reads them back.",
		queries: []query{{expr: `ocigate_operations_unresolved{@}`, legend: "{{instance}}"}},
	},
	{
		kind: lines, title: "Age of the oldest unresolved write", unit: "s", alert: "OcigateWriteUnresolvedLong",
		help:    "Longest time for which the outcome of a write has been unknown. Above 90 s, and with another journal.settle above that and a minute, it is not resolved on its own.",
		queries: []query{{expr: `max by (instance) (ocigate_operations_oldest_unresolved_age_seconds{@})`, legend: "{{instance}}"}},
		steps:   []step{{90, "red"}},
	},
	{
		kind: bars, title: "Wrong reports and failures", unit: "cpm", alert: "OcigateWriteCorrected",
		help: "Events per minute that must not happen: a reported outcome that turned out to be wrong, a write whose effect is gone, a write or login that could not be recorded, and a read-back that failed. The log has the cause of each.",
		queries: []query{
			{expr: `60 * sum(rate(ocigate_operation_corrections_total{@}[$__rate_interval]))`, legend: "outcomes corrected"},
			{expr: `60 * sum(rate(ocigate_operations_undone_total{@}[$__rate_interval]))`, legend: "writes undone"},
			{expr: `60 * sum(rate(ocigate_journal_failures_total{@}[$__rate_interval]))`, legend: "journal failures"},
			{expr: `60 * sum(rate(ocigate_operation_readings_failed_total{@}[$__rate_interval]))`, legend: "read-backs failed"},
		},
	},
	{
		kind: bars, title: "Replays and takeovers", unit: "wpm",
		help: "Requests per minute that got the outcome of the first one with the same Idempotency-Key, and writes that were taken over from a process that has stopped, by how that was found out.",
		queries: []query{
			{expr: `60 * sum(rate(ocigate_operation_replays_total{@}[$__rate_interval]))`, legend: "replayed"},
			{expr: `60 * sum by (reason) (rate(ocigate_operations_adopted_total{@}[$__rate_interval]))`, legend: "taken over, {{reason}}"},
		},
	},
	{
		kind: states, title: "Journal by replica", unit: "short", width: 12, height: 6, alert: "OcigateJournalLockLost",
		help: "Whether a replica can record writes, and with PostgreSQL whether it holds its lock: without, other replicas take its writes over only when its lease has expired.",
		queries: []query{
			{expr: `ocigate_journal_usable{@}`, legend: "{{instance}} usable"},
			{expr: `ocigate_journal_lock_held{@}`, legend: "{{instance}} lock"},
		},
		words: goodIfOne("yes", "no"), steps: []step{{lowest, "red"}, {1, "green"}},
	},
	{
		kind: lines, title: "Lines of the audit trail", unit: "short", width: 12, height: 6, alert: "OcigateAuditTrailShorter",
		help:    "Number of the last line of the audit trail. It never falls, except when a journal was restored.",
		queries: []query{{expr: `max by (instance) (ocigate_audit_lines{@})`, legend: "{{instance}}"}},
	},
}
