package gateway_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

// Responses to callers who disconnect while they are written.

// limitedWriter notes the size of each write, and fails after some of them.
type limitedWriter struct {
	http.ResponseWriter
	takes int
	sizes []int
}

func (c *limitedWriter) Write(b []byte) (int, error) {
	c.sizes = append(c.sizes, len(b))
	if len(c.sizes) > c.takes {
		return 0, errors.New("broken pipe")
	}
	return c.ResponseWriter.Write(b)
}

// serve serves the call without a connection.
func (c *limitedWriter) serve(t *testing.T, r *rig, asked call) string {
	t.Helper()
	recorder := httptest.NewRecorder()
	c.ResponseWriter = recorder
	r.handler.ServeHTTP(c, r.request(t, asked))
	return recorder.Body.String()
}

func TestListsAreWrittenInPieces(t *testing.T) {
	for fault, want := range map[string]int{someRows: 1, manyRows: 4} {
		r := start(t, setup{faults: []string{fault}})
		c := &limitedWriter{takes: 1000}
		if got := c.serve(t, r, call{path: ownList("prefixes"), client: system}); got != r.get(t, "prefixes").body {
			t.Errorf("another body than over a connection: %s", got)
		}
		if largest := slices.Max(c.sizes); len(c.sizes) != want || largest > 32<<10 {
			t.Errorf("%s: written in pieces of %v", fault, c.sizes)
		}
	}
}

// The header was sent before the connection broke, so no error can be written.
func TestNothingIsWrittenAfterADisconnect(t *testing.T) {
	small, large := start(t, setup{}), start(t, setup{faults: []string{manyRows}})
	for name, c := range map[string]struct {
		r     *rig
		path  string
		takes int
	}{
		"a list":                      {small, ownList("prefixes"), 0},
		"an error":                    {small, "/nowhere", 0},
		"a large list":                {large, ownList("prefixes"), 0},
		"a large list, after a piece": {large, ownList("prefixes"), 1},
	} {
		t.Run(name, func(t *testing.T) {
			gone := &limitedWriter{takes: c.takes}
			got := gone.serve(t, c.r, call{path: c.path, client: system})
			if len(gone.sizes) != c.takes+1 || strings.Contains(got, "errors") {
				t.Errorf("written in pieces of %v: %s", gone.sizes, got)
			}
			line := c.r.log.last(t)
			if line["status"] != 499.0 || line["error"] != "CALLER_LEFT" || line["level"] != "INFO" || !strings.Contains(fmt.Sprint(line["cause"]), "broken pipe") {
				t.Errorf("logged %v", line)
			}
			if want := float64(len(got)); line["bytes"] != want {
				t.Errorf("logged %v bytes, written were %v", line["bytes"], want)
			}
		})
	}
}
