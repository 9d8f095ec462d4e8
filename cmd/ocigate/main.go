// Command ocigate is a gateway that gives BroadWorks-style telephony platforms
// a documented JSON API. See its help and the README.
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
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	root := newRoot()
	root.SetErr(stderr)
	err := root.ExecuteContext(withHangups(ctx, hangups))
	stop()
	if err != nil {
		fmt.Fprintln(stderr, "ocigate:", err)
	}
	stderr.close()
	if err != nil {
		os.Exit(1)
	}
}
