package main

import (
	"runtime"
	"runtime/debug"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestVersion specifies the output of `ocigate version` by the sources of the
// version: the linker and the build information of the Go toolchain. To add a case,
// add an entry to the map.
func TestVersion(t *testing.T) {
	end := "go: " + runtime.Version() + "\nplatform: " + runtime.GOOS + "/" + runtime.GOARCH + "\n"
	vcs := func(modified string) []debug.BuildSetting {
		return []debug.BuildSetting{
			{Key: "GOARCH", Value: "amd64"}, {Key: "vcs.revision", Value: "0123abcd"},
			{Key: "vcs.time", Value: "2026-11-29T09:54:58Z"}, {Key: "vcs.modified", Value: modified},
		}
	}
	for name, c := range map[string]struct {
		linked string
		info   debug.BuildInfo
		want   string
	}{
		"without any information": {want: "ocigate (devel)\n" + end},
		"of the linker": {
			linked: "1.2.3", info: debug.BuildInfo{Main: debug.Module{Version: "v0.0.0-20261129095458-0123abcd"}, Settings: vcs("false")},
			want: "ocigate 1.2.3\nrevision: 0123abcd of 2026-11-29T09:54:58Z\n" + end,
		},
		"of the module": {
			info: debug.BuildInfo{Main: debug.Module{Version: "v1.2.4"}},
			want: "ocigate v1.2.4\n" + end,
		},
		"of a modified source": {
			info: debug.BuildInfo{Main: debug.Module{Version: "(devel)"}, Settings: vcs("true")},
			want: "ocigate (devel)\nrevision: 0123abcd of 2026-11-29T09:54:58Z, modified\n" + end,
		},
		"of a source without a time": {
			info: debug.BuildInfo{Settings: vcs("false")[1:2]},
			want: "ocigate (devel)\nrevision: 0123abcd\n" + end,
		},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, describeBuild(c.linked, &c.info).String()); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}
