package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestWatchPicksUpAConfigMap replaces the configuration as Kubernetes replaces the files of a
// ConfigMap that is mounted as a folder, as the Helm chart mounts it: the file is a link
// through another link, and only that one changes.
func TestWatchPicksUpAConfigMap(t *testing.T) {
	t.Parallel()
	r := newReloadRig(t, newPlatform(t).Addr, func(settings map[string]string) {
		settings["reload"] = `{watch: true}`
	})
	defer r.end(t)
	folder, name := filepath.Split(r.file)
	data := filepath.Join(folder, "..data")
	// version puts what the settings are now into a folder, to which the link then leads.
	version := func(version string) {
		t.Helper()
		mounted := r.file
		r.file = filepath.Join(folder, version, name)
		err := os.Mkdir(filepath.Join(folder, version), 0o700)
		if err == nil {
			r.write(t)
			err = os.Symlink(version, data+"_tmp")
		}
		if err == nil {
			err = os.Rename(data+"_tmp", data)
		}
		r.file = mounted
		if err != nil {
			t.Fatal(err)
		}
	}
	version("..2026_11_30_10_00_00.1")
	if err := os.Remove(r.file); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join("..data", name), r.file); err != nil {
		t.Fatal(err)
	}
	defer r.program.WatchFiles()()
	for i, drain := range []time.Duration{time.Second, 2 * time.Second} {
		r.settings["http"] = `{listen: "127.0.0.1:0", drain: ` + drain.String() + `}`
		version("..2026_11_30_10_00_0" + []string{"1.2", "2.3"}[i])
		waitFor(t, func() bool { return r.program.configOf().HTTP.Drain == drain })
	}
}
