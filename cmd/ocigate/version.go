package main

import (
	"cmp"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
)

// The linker sets these for a release: -X main.version=v1.2.3 -X main.revision=….
var (
	version  string
	revision string // of the source, if the toolchain does not write it
)

// buildInfo describes the binary, for users and for bug reports.
type buildInfo struct {
	version  string // of the release or the module, "(devel)" if it is not known
	revision string // of the source, empty if it is not known
	time     string // of the revision, in RFC 3339, empty if it is not known
	modified bool   // the source differed from the revision
	goText   string // version of Go
	platform string // operating system and architecture
}

// readBuild returns the description of this binary: the version of the linker, and
// otherwise the information that the Go toolchain writes into it.
func readBuild() buildInfo {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = &debug.BuildInfo{}
	}
	b := describeBuild(version, info)
	b.revision = cmp.Or(b.revision, revision)
	return b
}

// describeBuild returns the description of a binary by the version of the linker,
// which may be empty, and by the information of the Go toolchain.
func describeBuild(linked string, info *debug.BuildInfo) buildInfo {
	b := buildInfo{
		version: "(devel)", goText: runtime.Version(), platform: runtime.GOOS + "/" + runtime.GOARCH,
	}
	switch {
	case linked != "":
		b.version = linked
	case info.Main.Version != "":
		b.version = info.Main.Version
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.revision = s.Value
		case "vcs.time":
			b.time = s.Value
		case "vcs.modified":
			b.modified = s.Value == "true"
		}
	}
	return b
}

// versionText returns the version alone, as logs and metrics have it.
func versionText() string { return readBuild().version }

// String returns one line for the version, and further ones that a bug report needs.
func (b buildInfo) String() string {
	var text strings.Builder
	fmt.Fprintf(&text, "ocigate %s\n", b.version)
	if b.revision != "" {
		revision := b.revision
		if b.time != "" {
			revision += " of " + b.time
		}
		if b.modified {
			revision += ", modified"
		}
		fmt.Fprintf(&text, "revision: %s\n", revision)
	}
	fmt.Fprintf(&text, "go: %s\nplatform: %s\n", b.goText, b.platform)
	return text.String()
}

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version, and how the program was built",
		Long: "Print the version, the revision of the source, the version of Go, the operating\n" +
			"system and the architecture. A bug report should contain them.",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			_, err := io.WriteString(c.OutOrStdout(), readBuild().String())
			return err
		},
	}
}
