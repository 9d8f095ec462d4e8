// Command ocigate is a gateway with a documented JSON API in front of
// BroadWorks-style telephony platforms. See its help and the README.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	hangups := notifyHangups()
	stderr := newLogQueue(os.Stderr)
	log.SetOutput(stderr) // for libraries that write there
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program immediately
	root := newRoot()
	root.SetErr(stderr)
	err := root.ExecuteContext(withHangups(ctx, hangups))
	stop()
	if err != nil {
		fmt.Fprintln(stderr, "ocigate:", err)
	}
	stderr.close()
	if err != nil {
		os.Exit(exitCode(err))
	}
}
