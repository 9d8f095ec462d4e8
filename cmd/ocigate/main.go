// Command ocigate is a gateway that gives BroadWorks-style telephony platforms
// a documented JSON API. See its help and the README.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	hangups := notifyHangups()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	err := newRoot().ExecuteContext(withHangups(ctx, hangups))
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "ocigate:", err)
		os.Exit(1)
	}
}
