package status

import (
	"encoding/json"
	"math"
	"strconv"
	"time"
)

// A Status is all that the page shows: the document of /status.json. Its keys are
// stable: none is renamed or removed, and new ones may be added. Times are in UTC; an
// absent time means never or none. An absent section means that it does not apply, or
// that its source is in unanswered.
type Status struct {
	At            time.Time      `json:"at" doc:"when these facts were gathered"`
	Version       string         `json:"version" doc:"version of the program"`
	Replica       string         `json:"replica,omitempty" doc:"name of this replica"`
	StartedAt     time.Time      `json:"started_at" doc:"when the program started"`
	Ready         bool           `json:"ready" doc:"whether readyz is on"`
	NotReady      string         `json:"not_ready,omitempty" doc:"why readyz is off"`
	Health        Severity       `json:"health" doc:"the greatest severity among the problems: fault or warning; ok without these"`
	Problems      []Problem      `json:"problems" doc:"what needs attention, the most severe first"`
	Unanswered    []string       `json:"unanswered" doc:"sources that have not answered in time: ready, platform, journal, metrics, reload, certificates, connections, issuer, configuration"`
	Platform      *Platform      `json:"platform,omitempty" doc:"endpoints, sessions and queue"`
	Requests      *Requests      `json:"requests,omitempty" doc:"requests to the API since the start"`
	Logins        *Logins        `json:"logins,omitempty" doc:"logins of callers since the start"`
	Journal       *Journal       `json:"journal,omitempty" doc:"the journal of writes"`
	Unknown       *Unknown       `json:"unknown_writes,omitempty" doc:"writes of this replica whose outcome is unknown"`
	Reload        *Reload        `json:"reload,omitempty" doc:"the last reload of the configuration"`
	Connections   []Connections  `json:"connections,omitempty" doc:"open connections of callers and operators"`
	Certificates  []Certificate  `json:"certificates,omitempty" doc:"certificates in use"`
	Issuer        *Issuer        `json:"issuer,omitempty" doc:"the external issuer of tokens"`
	Log           *Log           `json:"log,omitempty" doc:"the log"`
	Configuration *Configuration `json:"configuration,omitempty" doc:"the effective configuration"`
	History       *History       `json:"history,omitempty" doc:"samples of the last hour"`
}

// Severity is how much a problem matters.
type Severity string

// The severities, and OK for no problem.
const (
	OK      Severity = "ok"
	Notice  Severity = "notice"  // needs no action now
	Warning Severity = "warning" // needs action soon, or has reduced what is in reserve
	Fault   Severity = "fault"   // callers are affected now
)

// A Problem is something that an operator should know, and what to do about it.
type Problem struct {
	Severity Severity `json:"severity" doc:"fault (callers are affected), warning, or notice (no action is needed now)"`
	Text     string   `json:"text" doc:"what is wrong"`
	Do       string   `json:"do" doc:"what to do"`
	Section  string   `json:"section" doc:"the section of the page that has more, as the fragment of its address"`
}

// Platform is the state of the client of the platform.
type Platform struct {
	Sessions      int        `json:"sessions" doc:"sessions that are logged in"`
	SessionsBusy  int        `json:"sessions_busy" doc:"those in use"`
	SessionsMax   int        `json:"sessions_max" doc:"limit of sessions: platform.pool.max"`
	Waiting       int        `json:"waiting" doc:"requests that wait for a session"`
	WaitingMax    int        `json:"waiting_max" doc:"limit of requests that wait: platform.pool.max_waiting"`
	Endpoints     []Endpoint `json:"endpoints" doc:"platform endpoints in the order of preference, at most 50"`
	EndpointCount int        `json:"endpoint_count" doc:"the number of all endpoints"`
}

// An Endpoint is the state of an endpoint of the platform.
type Endpoint struct {
	Name                string        `json:"name" doc:"name in the configuration"`
	Address             string        `json:"address" doc:"address in the configuration"`
	Preferred           bool          `json:"preferred" doc:"whether it is the first, which is used if it can be"`
	State               EndpointState `json:"state" doc:"in_use, unused (up, without a session), connecting, not_tried, backoff, down, or account_refused"`
	NewSessionsFail     bool          `json:"new_sessions_fail" doc:"whether it has sessions, but the last attempt to make another one has failed"`
	Slow                bool          `json:"slow,omitempty" doc:"whether it has lost its preference because another one is far faster: platform.pool.slow_factor"`
	Attempts            int           `json:"attempts,omitempty" doc:"attempts to make a session there, or to find out whether it answers, that are under way"`
	Idle                int           `json:"idle" doc:"its sessions that are not in use"`
	Busy                int           `json:"busy" doc:"its sessions in use"`
	LastTriedAt         time.Time     `json:"last_tried_at,omitzero" doc:"when the last attempt to reach it ended"`
	NextTryAt           time.Time     `json:"next_try_at,omitzero" doc:"when the next attempt may be made: the end of the backoff, or the next probe"`
	LastError           string        `json:"last_error,omitempty" doc:"why it is not up"`
	Release             int           `json:"release,omitempty" doc:"release of the platform; absent while it is unknown"`
	ReleaseSet          bool          `json:"release_set,omitempty" doc:"whether the release is from the configuration"`
	PlatformVersion     string        `json:"platform_version,omitempty" doc:"version that the platform reports"`
	Fallbacks           []Fallback    `json:"fallbacks,omitempty" doc:"features that are used in an older form or left out"`
	CertificateNotAfter time.Time     `json:"certificate_not_after,omitzero" doc:"expiry of the certificate that it has presented"`
}

// A Fallback is a feature that the platform does not support in its first form.
type Fallback struct {
	Feature string `json:"feature" doc:"name of the feature"`
	Use     string `json:"use" doc:"what is used instead"`
}

// Requests are counts of requests to the API.
type Requests struct {
	Total         uint64       `json:"total" doc:"requests that have ended"`
	InFlight      int          `json:"in_flight" doc:"requests that have not ended"`
	Recent        uint64       `json:"recent" doc:"requests that have ended in the last 5 minutes"`
	RecentFailed  uint64       `json:"recent_failed" doc:"those of them with a status of 500 or more"`
	Errors        []ErrorCount `json:"errors" doc:"errors in responses, the most frequent of the last hour first, at most 50"`
	ErrorsOmitted int          `json:"errors_omitted,omitempty" doc:"how many errors are left out"`
	// Shed has no reason that has not occurred.
	Shed     map[string]uint64 `json:"shed,omitempty" doc:"requests that got no session with the platform since the start, by reason: full, displaced, deadline, wait, or left"`
	Sessions []SessionUse      `json:"session_use,omitempty" doc:"who has used the sessions since the start, the longest first, at most 20"`
}

// A SessionUse is for how long a caller has used sessions with the platform.
type SessionUse struct {
	Caller  string  `json:"caller" doc:"client, user (all users together), or ocigate (the gateway itself)"`
	Client  string  `json:"client,omitempty" doc:"id of a listed client"`
	Seconds float64 `json:"seconds" doc:"time of all sessions together"`
}

// Connections are the open connections of a listener.
type Connections struct {
	Listener      string `json:"listener" doc:"http.listen or admin.listen"`
	New           int    `json:"new" doc:"those that have not sent the complete header of a request"`
	Idle          int    `json:"idle" doc:"those between two requests"`
	Receiving     int    `json:"receiving" doc:"those on which the body of a request arrives"`
	Active        int    `json:"active" doc:"those whose requests are carried out"`
	Max           int    `json:"max" doc:"limit of all"`
	ClosedForRoom uint64 `json:"closed_for_room" doc:"those that were not active and were closed for others since the start"`
}

// An ErrorCount is how often responses had an error.
type ErrorCount struct {
	Name     string `json:"name" doc:"name of the error"`
	Status   int    `json:"status" doc:"status of the responses"`
	Total    uint64 `json:"total" doc:"responses since the start"`
	LastHour uint64 `json:"last_hour" doc:"responses in the last 60 to 65 minutes"`
}

// Logins are counts of logins of callers.
type Logins struct {
	OK        uint64 `json:"ok" doc:"successful logins at /login/"`
	Failed    uint64 `json:"failed" doc:"other logins"`
	Throttled uint64 `json:"throttled" doc:"attempts to authenticate that were refused unchecked, with 429 RATE_LIMITED"`
}

// Journal is the state of the journal.
type Journal struct {
	Usable        bool      `json:"usable" doc:"whether writes can be recorded; otherwise they are refused"`
	UnusableSince time.Time `json:"unusable_since,omitzero" doc:"since when it has been unusable"`
	Cause         string    `json:"cause,omitempty" doc:"why"`
}

// Unknown are the writes whose outcome is unknown.
type Unknown struct {
	Count  int       `json:"count" doc:"number of all"`
	Oldest time.Time `json:"oldest_since,omitzero" doc:"since when the oldest has been unknown"`
	Newest []Write   `json:"newest" doc:"the newest, at most 20"`
}

// A Write is an unknown write.
type Write struct {
	ID               string    `json:"id" doc:"id of the operation"`
	Route            string    `json:"route" doc:"route of the API"`
	Tenant           string    `json:"tenant,omitempty" doc:"its tenant"`
	Group            string    `json:"group,omitempty" doc:"its group"`
	User             string    `json:"user,omitempty" doc:"its user"`
	Since            time.Time `json:"since" doc:"since when it has been unknown"`
	AgeSeconds       int64     `json:"age_seconds" doc:"for how long"`
	PlatformEndpoint string    `json:"platform_endpoint,omitempty" doc:"endpoint of the platform that it was sent to"`
	Why              string    `json:"why" doc:"why the outcome is not known yet"`
	Held             []string  `json:"held" doc:"entries that no other write may change meanwhile, at most 5"`
	HeldCount        int       `json:"held_count" doc:"number of all entries that it holds"`
	Blocked          int       `json:"blocked" doc:"writes that were refused because they needed an entry that it holds"`
	LastBlockedAt    time.Time `json:"last_blocked_at,omitzero" doc:"when the last of them was refused"`
}

// Reload is the result of the last reload.
type Reload struct {
	Successful     bool      `json:"successful" doc:"whether the last reload, or the start, was successful"`
	EffectiveSince time.Time `json:"effective_since,omitzero" doc:"when what is effective was read"`
	TriedAt        time.Time `json:"tried_at,omitzero" doc:"when the last reload ended; absent if there was none"`
	Trigger        string    `json:"trigger,omitempty" doc:"what caused it"`
	Cause          string    `json:"cause,omitempty" doc:"why it failed"`
	Changed        []string  `json:"changed,omitempty" doc:"keys that it has changed, at most 50"`
	NeedRestart    []string  `json:"need_restart,omitempty" doc:"changed keys that are effective only after a restart, at most 50"`
}

// A Certificate is a certificate in use.
type Certificate struct {
	Use              string    `json:"use" doc:"api, platform_client, platform_ca, or platform_server for the one that the platform has presented"`
	PlatformEndpoint string    `json:"platform_endpoint,omitempty" doc:"endpoint of the platform"`
	NotAfter         time.Time `json:"not_after" doc:"when it expires; for several that are used together, the first of them"`
}

// Issuer is the state of the external issuer of tokens.
type Issuer struct {
	URL         string    `json:"url" doc:"the issuer"`
	Keys        int       `json:"keys" doc:"keys that tokens are verified with"`
	LastFetched time.Time `json:"last_fetched_at,omitzero" doc:"when the keys were last fetched successfully"`
	Fetched     uint64    `json:"fetched" doc:"successful fetches"`
	Failed      uint64    `json:"failed" doc:"failed fetches"`
}

// Log is the state of the log.
type Log struct {
	Dropped         uint64 `json:"dropped" doc:"lines that were dropped since the start, because their reader was too slow or absent"`
	DroppedLastHour uint64 `json:"dropped_last_hour" doc:"those of the last hour"`
}

// Configuration is the effective configuration.
type Configuration struct {
	EffectiveSince time.Time `json:"effective_since" doc:"since when"`
	YAML           string    `json:"yaml" doc:"the configuration with its defaults, without secrets"`
	Truncated      bool      `json:"truncated,omitempty" doc:"whether it was cut because of its size"`
}

// History has samples of the last hour. All series have one value for each time in At;
// null means that there is none.
type History struct {
	IntervalSeconds int         `json:"interval_seconds" doc:"time between samples"`
	At              []time.Time `json:"at" doc:"when each sample was taken, the oldest first"`
	Requests        Series      `json:"requests_per_second" doc:"requests that have ended"`
	ClientErrors    Series      `json:"client_errors_per_second" doc:"responses with a status from 400 to 499"`
	ServerErrors    Series      `json:"server_errors_per_second" doc:"responses with a status of 500 or more"`
	P50             Series      `json:"latency_p50_seconds" doc:"median time of requests, estimated from the histogram of durations"`
	P95             Series      `json:"latency_p95_seconds" doc:"95th percentile of the same"`
	Busy            Series      `json:"sessions_busy" doc:"sessions in use"`
	Waiting         Series      `json:"waiting" doc:"requests that wait for a session"`
}

// A Series is a series of values; NaN means that there is none, and is null in JSON.
type Series []float64

// MarshalJSON writes the values with at most 4 significant digits.
func (s Series) MarshalJSON() ([]byte, error) {
	list := []byte{'['}
	for i, value := range s {
		if i > 0 {
			list = append(list, ',')
		}
		if math.IsNaN(value) {
			list = append(list, "null"...)
			continue
		}
		rounded, _ := strconv.ParseFloat(strconv.FormatFloat(value, 'g', 4, 64), 64) // it is a number
		list = strconv.AppendFloat(list, rounded, 'f', -1, 64)
	}
	return append(list, ']'), nil
}

var _ json.Marshaler = Series(nil)
