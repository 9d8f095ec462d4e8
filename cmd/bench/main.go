// Command bench measures the speed of the ocigate binary, always in comparison with the cost
// of the same work without it. Both sides of a ratio are measured alternately in one run, so
// that other load on the machine affects both. "make bench" runs it.
//
// The command starts the binary as operators do, in front of a scripted platform, and
// measures the process from outside, through /proc. The platform and the other sides of the
// ratios are further processes of this program.
//
// The package contains the measurements and their tools. The tests of the other packages
// check the contents of responses; here, a response must be the same each time, and the same
// as that of the facade.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdin, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}
