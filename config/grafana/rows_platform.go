package grafana

// The tables from which the dashboard is made: the platform, and the rows that are closed.

var platformPanels = []panel{
	{
		kind: rowsNow, title: "Platform endpoints", unit: "short", width: 24, height: 6, alert: "OcigatePlatformDown",
		help: "State of each platform endpoint now. Up is what the worst replica sees; the numbers are those of all replicas.",
		queries: []query{
			{expr: `min by (platform_endpoint) (ocigate_platform_endpoint_up{@@})`},
			{expr: `max by (platform_endpoint) (ocigate_platform_endpoint_resting{@@})`},
			{expr: `max by (platform_endpoint) (ocigate_platform_endpoint_slow{@@})`},
			{expr: `max by (platform_endpoint) (ocigate_platform_account_refused{@@})`},
			{expr: `sum by (platform_endpoint) (ocigate_platform_sessions{@@,state="busy"})`},
			{expr: `sum by (platform_endpoint) (ocigate_platform_sessions{@@,state="idle"})`},
			{expr: `sum by (platform_endpoint) (ocigate_platform_attempts{@@})`},
			{expr: `min by (platform_endpoint) (ocigate_platform_release{@@})`},
			{expr: `sum by (platform_endpoint) (max by (platform_endpoint, feature) (ocigate_platform_fallback{@@}))`},
		},
		columns: []column{
			{field: "platform_endpoint", title: "platform endpoint"},
			{field: "Value #A", title: "up", words: goodIfOne("up", "down"), steps: []step{{lowest, "red"}, {1, "green"}}},
			{field: "Value #B", title: "backoff", words: badIfOne("in backoff", "no", "orange"), steps: []step{{1, "orange"}}},
			{field: "Value #C", title: "slow", words: badIfOne("slow", "no", "orange"), steps: []step{{1, "orange"}}},
			{field: "Value #D", title: "account", words: badIfOne("refused", "accepted", "red"), steps: []step{{1, "red"}}},
			{field: "Value #E", title: "sessions in use"},
			{field: "Value #F", title: "sessions idle"},
			{field: "Value #G", title: "attempts under way"},
			{field: "Value #H", title: "release", words: map[string]word{"0": {"unknown", "orange"}}, steps: []step{{lowest, "orange"}, {1, "green"}}},
			{field: "Value #I", title: "features in an older form"},
		},
	},
	{
		kind: states, title: "Platform endpoints over time", unit: "short", width: 12, alert: "OcigatePlatformEndpointSlow",
		help:    "Whether each endpoint is up, up and slow, or down, as the worst replica sees it.",
		queries: []query{{expr: `min by (platform_endpoint) (ocigate_platform_endpoint_up{@@} * (1 + ocigate_platform_endpoint_slow{@@}))`, legend: "{{platform_endpoint}}"}},
		words:   map[string]word{"0": {"down", "red"}, "1": {"up", "green"}, "2": {"slow", "orange"}},
		steps:   []step{{lowest, "red"}, {1, "green"}, {2, "orange"}},
	},
	{
		kind: areas, title: "Sessions", unit: "short", width: 12, alert: "OcigateSessionsBusy",
		help: "Sessions that are logged in with the platform, of all replicas, and the maximum over all endpoints.",
		queries: []query{
			{expr: `sum by (state) (ocigate_platform_sessions{@@})`, legend: "{{state}}"},
			{expr: `sum(ocigate_platform_sessions_max{@})`, legend: "maximum"},
		},
		limit: "maximum",
	},
	{
		kind: areas, title: "Requests waiting for a session", unit: "short", alert: "OcigateSessionWaits",
		help:    "Requests that wait for a session with the platform, by replica. Some at peaks are normal; they become waiting time, and 503 if they do not get one in time.",
		queries: []query{{expr: `ocigate_platform_session_waiters{@}`, legend: "{{instance}}"}},
	},
	{
		kind: lines, title: "Waiting time for a session", unit: "s", alert: "OcigateSessionWaits",
		help: "Quantiles of the time for which requests waited until they got a session. Those that found an idle one are not in it.",
		queries: []query{
			{expr: quantile("0.95", waits, `{@,result="ok"}`), legend: "95 %"},
			{expr: quantile("0.5", waits, `{@,result="ok"}`), legend: "50 %"},
		},
		none: "no waits",
	},
	{
		kind: bars, title: "Requests without a session", unit: "reqps", alert: "OcigateRequestsShed",
		help:    "Requests per second that ended because they got no session, by reason: the queue was full, a caller with fewer requests took the place, the deadline would not have been met, or the waiting time was over. Left is a caller that stopped waiting.",
		queries: []query{{expr: `sum by (reason) (rate(ocigate_platform_requests_shed_total{@}[$__rate_interval]))`, legend: "{{reason}}"}},
	},
	{
		kind: bars, title: "Commands by result", unit: "ops", alert: "OcigatePlatformCommandsLost",
		help: "Commands that were sent to the platform per second: ok, refused with an error of the platform, or lost without a reply; and those that were not sent, because they shared the reply to the same read of another caller.",
		queries: []query{
			{expr: `sum by (result) (rate(ocigate_platform_commands_total{@}[$__rate_interval]))`, legend: "{{result}}"},
			{expr: `sum(rate(ocigate_platform_reads_joined_total{@}[$__rate_interval]))`, legend: "not sent, shared"},
		},
		colors: []string{"ok", "green", "refused", "orange", "lost", "red", "not sent, shared", "blue"},
	},
	{
		kind: lines, title: "Commands by name", unit: "ops",
		help:    "The ten commands that are sent most often, per second.",
		queries: []query{{expr: `topk(10, sum by (command) (rate(ocigate_platform_commands_total{@}[$__rate_interval])) > 0)`, legend: "{{command}}"}},
		none:    "no commands",
	},
	{
		kind: lines, title: "Time of commands", unit: "s", page: "operations/slow-platform.md",
		help:    "Quantile 0.95 of the time from sending a document to its reply, by command. A command that was not sent has no line.",
		queries: []query{{expr: quantile("0.95", commands, "{@}", "command"), legend: "{{command}}"}},
	},
	{
		kind: bars, title: "Logins with the platform", unit: "cpm", alert: "OcigatePlatformAccountRefused",
		help:    "Attempts to make a session per minute, by endpoint and by the step that failed: dns, dial, tls, login or version.",
		queries: []query{{expr: `60 * sum by (platform_endpoint, result) (rate(ocigate_platform_logins_total{@@}[$__rate_interval])) > 0`, legend: "{{platform_endpoint}} {{result}}"}},
		none:    "no logins",
	},
	{
		kind: bars, title: "Sessions that ended", unit: "cpm",
		help:    "Sessions that ended per minute, by endpoint and reason. Broken is the reason to look for: the platform or the network ended it, or its state was not certain.",
		queries: []query{{expr: `60 * sum by (platform_endpoint, reason) (rate(ocigate_platform_sessions_closed_total{@@}[$__rate_interval])) > 0`, legend: "{{platform_endpoint}} {{reason}}"}},
		none:    "none ended",
	},
	{
		kind: bars, title: "Replies that were refused", unit: "cpm", alert: "OcigatePlatformRepliesRefused",
		help:    "Documents of the platform that could not be accepted per minute, by endpoint and reason. Each ends its session, and a write becomes unknown.",
		queries: []query{{expr: `60 * sum by (platform_endpoint, reason) (rate(ocigate_platform_replies_refused_total{@@}[$__rate_interval])) > 0`, legend: "{{platform_endpoint}} {{reason}}"}},
		none:    "none refused",
	},
}

var callerPanels = []panel{
	{
		kind: areas, title: "Sessions in use by caller", unit: "short", width: 12, page: "operations/capacity-planning.md",
		help:    "How many sessions with the platform each listed client uses on average, all other callers together (user), and the gateway itself. Where all sessions are in use, this shows for whom.",
		queries: []query{{expr: `sum by (caller, client) (rate(ocigate_platform_session_seconds_total{@}[$__rate_interval]))`, legend: "{{caller}} {{client}}"}},
	},
	{
		kind: areas, title: "Share of the sessions by caller", unit: "percentunit", width: 12, page: "operations/capacity-planning.md",
		help:    "The same as shares of all session time: under load, each client gets the share of its weight.",
		queries: []query{{expr: `sum by (caller, client) (rate(ocigate_platform_session_seconds_total{@}[$__rate_interval])) / on () group_left () (sum(rate(ocigate_platform_session_seconds_total{@}[$__rate_interval])) > 0)`, legend: "{{caller}} {{client}}"}},
		none:    "no sessions in use",
	},
	{
		kind: bars, title: "Logins of callers", unit: "cpm", page: "operations/ending-access.md",
		help:    "Logins at /login/ per minute, by result.",
		queries: []query{{expr: `60 * sum by (result) (rate(ocigate_logins_total{@}[$__rate_interval])) > 0`, legend: "{{result}}"}},
		none:    "no logins",
	},
	{
		kind: bars, title: "Attempts to authenticate that were refused", unit: "cpm", alert: "OcigateLoginsThrottled",
		help: "Attempts per minute that were refused unchecked, with 429, by way and by reason. Many are an attack, or a client with an old secret.",
		queries: []query{
			{expr: `60 * sum by (way) (rate(ocigate_logins_throttled_total{@}[$__rate_interval]))`, legend: "way {{way}}"},
			{expr: `60 * sum by (reason) (rate(ocigate_logins_throttled_reasons_total{@}[$__rate_interval]))`, legend: "reason {{reason}}"},
		},
	},
	{
		kind: lines, title: "Secrets of clients with two hashes", unit: "reqps", page: "operations/ending-access.md", none: "no client has two",
		help:    "Requests per second by the hash that the secret of a client matched. When the line of its old one is 0, that can be removed.",
		queries: []query{{expr: `sum by (client, hash) (rate(ocigate_client_hash_used_total{@}[$__rate_interval]))`, legend: "{{client}} {{hash}}"}},
	},
	{
		kind: areas, title: "Connections", unit: "short",
		help: "Open connections, by listener and state, and their limit. At the limit, a connection that is not active is closed for each new one.",
		queries: []query{
			{expr: `sum by (listener, state) (ocigate_connections{@})`, legend: "{{listener}} {{state}}"},
		},
	},
	{
		kind: lines, title: "Connections of their limit", unit: "percentunit", alert: "OcigateConnectionsNearLimit",
		help:    "Open connections as a share of the limit, by replica and listener.",
		queries: []query{{expr: `sum by (instance, listener) (ocigate_connections{@}) / on (instance, listener) ocigate_connections_max{@}`, legend: "{{instance}} {{listener}}"}},
		steps:   []step{{0.8, "orange"}, {1, "red"}},
	},
	{
		kind: bars, title: "Connections and addresses with a problem", unit: "cpm", alert: "OcigateConnectionsClosedForRoom",
		help: "Connections per minute that were closed to make room for new ones, by listener, and requests from trusted proxies with an address that could not be read.",
		queries: []query{
			{expr: `60 * sum by (listener) (rate(ocigate_connections_closed_for_room_total{@}[$__rate_interval]))`, legend: "closed, {{listener}}"},
			{expr: `60 * sum(rate(ocigate_forwarded_for_unparsed_total{@}[$__rate_interval]))`, legend: "address not read"},
		},
	},
	{
		kind: lines, title: "Age of the keys of the issuer", unit: "s", none: "no issuer", alert: "OcigateIssuerKeysStale",
		help:    "Time since the keys of the external issuer were fetched, with auth.oidc. It stays below auth.oidc.refresh while the issuer can be reached.",
		queries: []query{{expr: `time() - (ocigate_oidc_keys_fetched_timestamp_seconds{@} > 0)`, legend: "{{instance}}"}},
		steps:   []step{{3600, "red"}},
	},
	{
		kind: number, title: "Keys of the issuer", unit: "short", width: 8, height: panelHigh, none: "no issuer",
		help:    "Keys of the external issuer that tokens are verified with, at the replica with the fewest. With 0, its tokens get 503.",
		queries: []query{{expr: `min(ocigate_oidc_keys{@})`}},
		steps:   []step{{lowest, "red"}, {1, "green"}},
	},
	{
		kind: bars, title: "Fetches of the keys of the issuer", unit: "cpm", none: "no issuer",
		help:    "Fetches of the keys of the external issuer per minute, by result. The log has the cause of a failure.",
		queries: []query{{expr: `60 * sum by (result) (rate(ocigate_oidc_fetches_total{@}[$__rate_interval]))`, legend: "{{result}}"}},
	},
}

var processPanels = []panel{
	{
		kind: lines, title: "CPU", unit: "short",
		help:    "Processors in use, by replica: 1 is one processor all the time.",
		queries: []query{{expr: `rate(process_cpu_seconds_total{@}[$__rate_interval])`, legend: "{{instance}}"}},
	},
	{
		kind: lines, title: "Memory", unit: "bytes",
		help: "Resident memory of the process, and what the heap holds of it, by replica.",
		queries: []query{
			{expr: `process_resident_memory_bytes{@}`, legend: "{{instance}} resident"},
			{expr: `go_memstats_heap_inuse_bytes{@}`, legend: "{{instance}} heap"},
		},
	},
	{
		kind: lines, title: "File descriptors", unit: "percentunit", alert: "OcigateDescriptorsNearLimit",
		help:    "Open file descriptors as a share of their limit, by replica. At the limit, no connection can be accepted or made.",
		queries: []query{{expr: `process_open_fds{@} / process_max_fds{@}`, legend: "{{instance}}"}},
		steps:   []step{{0.8, "red"}},
	},
	{
		kind: lines, title: "Goroutines", unit: "short",
		help:    "Goroutines, by replica. They follow the requests in flight and the connections; a rise without an end is a defect.",
		queries: []query{{expr: `go_goroutines{@}`, legend: "{{instance}}"}},
	},
	{
		kind: lines, title: "Pauses for garbage collection", unit: "s",
		help:    "The longest of the last pauses for garbage collection, by replica.",
		queries: []query{{expr: `max by (instance) (go_gc_duration_seconds{@,quantile=~"1|1.0"})`, legend: "{{instance}}"}},
	},
	{
		kind: bars, title: "Log lines that were dropped", unit: "cpm", alert: "OcigateLogLinesDropped",
		help:    "Lines per minute that were dropped because the reader of the log was too slow or absent, by replica.",
		queries: []query{{expr: `60 * rate(ocigate_log_lines_dropped_total{@}[$__rate_interval])`, legend: "{{instance}}"}},
	},
	{
		kind: bars, title: "Spans of traces", unit: "cpm",
		help:    "Spans of sampled traces per minute, by result. Dropped and failed ones are missing at the receiver.",
		queries: []query{{expr: `60 * sum by (result) (rate(ocigate_traces_spans_total{@}[$__rate_interval]))`, legend: "{{result}}"}},
	},
}

var configurationPanels = []panel{
	{
		kind: rowsNow, title: "Replicas", unit: "short", width: 12,
		help: "What each replica runs, and since when.",
		queries: []query{
			{expr: `max by (instance, version, goversion) (ocigate_build_info{@})`},
			{expr: `time() - max by (instance) (process_start_time_seconds{@})`},
			{expr: `time() - max by (instance) (ocigate_reload_timestamp_seconds{@})`},
		},
		columns: []column{
			{field: "instance", title: "replica"},
			{field: "version", title: "version"},
			{field: "goversion", title: "Go"},
			{field: "Value #B", title: "started ago", unit: "s"},
			{field: "Value #C", title: "configuration read ago", unit: "s"},
			{field: "Value #A", title: "replicas"},
		},
	},
	{
		kind: states, title: "Reloads", unit: "short", width: 12, alert: "OcigateReloadFailed",
		help:    "Whether the last reload of each replica was successful. One that was not has changed nothing; the log has the cause.",
		queries: []query{{expr: `ocigate_reload_successful{@}`, legend: "{{instance}}"}},
		words:   goodIfOne("successful", "failed"), steps: []step{{lowest, "red"}, {1, "green"}},
	},
	{
		kind: rowsNow, title: "Certificates", unit: "s", width: 12, none: "no certificate", alert: "OcigateCertificateExpires",
		help:    "Time until the certificates in use expire. Orange below 14 days, red below 2.",
		queries: []query{{expr: `min by (use, platform_endpoint, instance) (ocigate_certificate_not_after_timestamp_seconds{@}) - time()`}},
		columns: []column{
			{field: "use", title: "use"},
			{field: "platform_endpoint", title: "platform endpoint"},
			{field: "instance", title: "replica"},
			{field: "Value", title: "expires in", unit: "s", steps: []step{{lowest, "red"}, {2 * 86400, "orange"}, {14 * 86400, "green"}}},
		},
	},
	{
		kind: lines, title: "Wire traces", unit: "short", width: 12, alert: "OcigateWireTraceActive",
		help:    "Tenants whose exchanges with the platform are logged, by replica. They end on their own.",
		queries: []query{{expr: `ocigate_wire_traces_active{@}`, legend: "{{instance}}"}},
	},
}
