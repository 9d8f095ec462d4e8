//go:build !linux

package main

import (
	"context"
	"errors"
	"io"
)

func run(context.Context, []string, io.Reader, io.Writer) error {
	return errors.New("the CPU time and memory of processes are read from /proc, so this runs on Linux only")
}
