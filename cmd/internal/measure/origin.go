//go:build linux

package measure

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"

	"github.com/prometheus/procfs"
)

// Origin is when and where a measurement was made, as texts.
type Origin struct {
	Date    string // 2026-01-05, in UTC
	Commit  string // of the source, "unknown" if that is without its history
	Machine string // the version of Go, the system, the processor and the memory
}

// OriginOf returns the origin of a measurement that ends now. It reads /proc, so there is an
// error where that is not.
func OriginOf(ctx context.Context) (Origin, error) {
	fs, err := procfs.NewDefaultFS()
	if err != nil {
		return Origin{}, err
	}
	processors, err := fs.CPUInfo()
	if err != nil {
		return Origin{}, err
	}
	memory, err := fs.Meminfo()
	if err != nil {
		return Origin{}, err
	}
	kernel, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return Origin{}, err
	}
	commit, err := exec.CommandContext(ctx, "git", "describe", "--always", "--dirty").Output()
	if err != nil {
		commit = []byte("unknown") // the source may be without its history
	}
	return Origin{
		Date: time.Now().UTC().Format(time.DateOnly), Commit: strings.TrimSpace(string(commit)),
		Machine: fmt.Sprintf("%s, on Linux %s, %s, %d cores, %.0f GB of memory", runtime.Version(), strings.TrimSpace(string(kernel)),
			processors[0].ModelName, len(processors), float64(*memory.MemTotalBytes)/1e9),
	}, nil
}
