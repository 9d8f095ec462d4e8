package status_test

import (
	"errors"
	"html"
	"strings"
	"testing"
	"time"

	"ocigate/gateway/status"
	"ocigate/oci"
)

// The state of an endpoint in a word, from its statistics. To add a case, add an entry:
// the word is searched in the page, in the mark with that class.

func TestEndpointStates(t *testing.T) {
	inBubble(t, func(t *testing.T, s *sources) {
		now, err := time.Now(), errors.New("refused")
		for name, test := range map[string]struct {
			stats oci.EndpointStats
			state status.EndpointState
			class string
			words string
		}{
			"sessions":                           {oci.EndpointStats{Idle: 1, Up: true, LastTried: now}, status.InUse, "good", "in use"},
			"a session before its first reply":   {oci.EndpointStats{Busy: 1, LastTried: now}, status.InUse, "good", "in use"},
			"sessions, and a failed attempt":     {oci.EndpointStats{Idle: 1, Up: true, LastTried: now, LastError: err, InBackoff: true}, status.InUse, "good", "in use"},
			"no session, reached":                {oci.EndpointStats{Up: true, LastTried: now}, status.Unused, "ready", "unused and up"},
			"no session, not reached":            {oci.EndpointStats{LastTried: now, LastError: err}, status.Down, "bad", "down"},
			"no attempt yet":                     {oci.EndpointStats{}, status.NotTried, "wait", "not tried yet"},
			"the first session":                  {oci.EndpointStats{Connecting: true}, status.Connecting, "wait", "connecting"},
			"another attempt after a failure":    {oci.EndpointStats{Connecting: true, LastTried: now, LastError: err}, status.Down, "bad", "down"},
			"a session after it was reached":     {oci.EndpointStats{Connecting: true, Up: true, LastTried: now}, status.Connecting, "wait", "connecting"},
			"another session":                    {oci.EndpointStats{Connecting: true, Idle: 1, Up: true, LastTried: now}, status.InUse, "good", "in use"},
			"backoff":                            {oci.EndpointStats{InBackoff: true, LastTried: now, LastError: err, NextTry: now.Add(90 * time.Second)}, status.Backoff, "bad", "in backoff until 00:01:30"},
			"backoff, although it was reached":   {oci.EndpointStats{InBackoff: true, Up: true, LastTried: now}, status.Backoff, "bad", "in backoff"},
			"a refused account":                  {oci.EndpointStats{AccountRefused: true, LastTried: now, LastError: err}, status.AccountRefused, "bad", "account refused"},
			"a refused account, and sessions":    {oci.EndpointStats{AccountRefused: true, Idle: 1, Up: true, LastTried: now}, status.AccountRefused, "bad", "account refused"},
			"a refused account, and in backoff":  {oci.EndpointStats{AccountRefused: true, InBackoff: true, LastTried: now}, status.AccountRefused, "bad", "account refused"},
			"a refused account, and it connects": {oci.EndpointStats{AccountRefused: true, Connecting: true, LastTried: now}, status.AccountRefused, "bad", "account refused"},
		} {
			test.stats.Name = "it"
			s.stats.Endpoints = []oci.EndpointStats{test.stats}
			page := status.New(s.options())
			if got := page.Status(t.Context()).Platform.Endpoints[0].State; got != test.state {
				t.Errorf("%s: %s, want %s", name, got, test.state)
			}
			mark := `<span class="mark ` + test.class + `">` + html.EscapeString(test.words) + `</span>`
			if body := get(t, page, "/status").Body.String(); !strings.Contains(body, mark) {
				t.Errorf("%s: the page lacks %s", name, mark)
			}
		}
	})
}
