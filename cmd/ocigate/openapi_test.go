package main

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"ocigate/config"
	"ocigate/gateway/openapi"
)

// These tests specify the command openapi, and where the program serves the description.

func TestOpenAPIPrintsTheDescription(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{nil, string(openapi.YAML())},
		{[]string{"--format", "yaml"}, string(openapi.YAML())},
		{[]string{"--format", "json"}, string(openapi.JSON())},
	} {
		out, _, err := execute(t, "", append([]string{"openapi"}, c.args...)...)
		if err != nil || out != c.want {
			t.Errorf("openapi %v: %d bytes, %v, want %d", c.args, len(out), err, len(c.want))
		}
	}
	if _, _, err := execute(t, "", "openapi", "--format", "yml"); err == nil || !strings.Contains(err.Error(), `--format must be yaml or json, not "yml"`) {
		t.Errorf("an unknown format: %v", err)
	}
}

func TestTheDescriptionIsServedUnlessTurnedOff(t *testing.T) {
	for _, c := range []struct {
		name         string
		docs         bool
		method, path string
		status       int
	}{
		{"JSON", true, http.MethodGet, "/openapi.json", 200},
		{"YAML", true, http.MethodGet, "/openapi.yaml", 200},
		{"HEAD", true, http.MethodHead, "/openapi.yaml", 200},
		{"another method", true, http.MethodPost, "/openapi.json", 405},
		{"turned off", false, http.MethodGet, "/openapi.json", 404},
		{"turned off, the pages", false, http.MethodGet, "/docs/", 404},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := start(t, newPlatform(t).Addr, func(o *config.Config) { o.HTTP.Docs = c.docs })
			request, err := http.NewRequestWithContext(t.Context(), c.method, "http://"+r.api+c.path, http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			response, err := http.DefaultClient.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			defer http.DefaultClient.CloseIdleConnections()
			defer func() { _ = response.Body.Close() }()
			body, err := io.ReadAll(response.Body)
			if err != nil || response.StatusCode != c.status {
				t.Errorf("%d, %v, want %d: %.100s", response.StatusCode, err, c.status, body)
			}
		})
	}
}
