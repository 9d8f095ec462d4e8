//go:build linux

package main

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"ocigate/config/assets"
)

// TestPrometheusTour goes through the tour while the real Prometheus scrapes its gateway,
// and checks that the alerts of each stage are pending or firing then, with the rules that
// operators get.
func TestPrometheusTour(t *testing.T) {
	folder := t.TempDir()
	targets := filepath.Join(folder, "targets.json")
	p := startPrometheus(t, prometheusOptions{
		interval: 250 * time.Millisecond,
		rules:    []string{absolute(filepath.Join(moduleRoot, "config/assets", alertsFile))},
		scrape:   "file_sd_configs: [{files: [" + targets + "]}]\n",
	})
	stages := []tourStage{{
		name: "scrape", title: "the gateway is scraped", about: "Prometheus learns the address.", calls: []demoCall{tourList}, noAlert: "none.",
		begin: func(_ context.Context, tour *tour) (string, error) {
			text := `[{"targets": ["` + strings.TrimPrefix(tour.admin, "http://") + `"]}]`
			if err := os.WriteFile(targets+".new", []byte(text), 0o600); err != nil {
				return "", err
			}
			if err := os.Rename(targets+".new", targets); err != nil {
				return "", err
			}
			p.waitScraped(t, 1, 1) // increase() does not see what happened before
			return "", nil
		},
	}}
	shown := 0
	for _, s := range tourStages {
		stages = append(stages, s)
		shown += len(s.alerts)
	}
	d := demo{api: "127.0.0.1:0", admin: "127.0.0.1:0", platform: "127.0.0.1:0", tour: true, prometheus: p.url}
	var out output
	if err := d.takeStages(t.Context(), &out, assets.Files(), stages); err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	words := strings.Fields(out.String())
	found := 0
	for _, state := range []string{"pending", "firing"} {
		for i := range words {
			if slices.Equal(words[max(0, i-2):i+1], []string{"at", p.url + ":", state}) {
				found++
			}
		}
	}
	if found != shown {
		t.Errorf("%d alerts of %d are pending or firing:\n%s", found, shown, &out)
	}
}
