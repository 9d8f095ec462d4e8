// Command bench measures how fast the ocigate binary is: always against what
// the same work costs without it, alternately and in one run, so that a machine
// that others use as well moves both sides of a ratio. "make bench" runs it.
//
// It starts the binary as operators do, in front of a scripted platform, and
// watches it from outside, through /proc. The platform and the other sides of
// the ratios are this program again, in processes of their own.
//
// The package holds the measurements and what they need. What is right or wrong
// in an answer is left to the tests of the other packages: here an answer must
// be the same each time, and the same as the facade's.
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
