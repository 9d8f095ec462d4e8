package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/term"
)

// terminal is a terminal that a user types on.
type terminal struct{ fd int }

// terminalOf returns the terminal of a reader, and false if it is not one.
func terminalOf(r io.Reader) (terminal, bool) {
	file, ok := r.(*os.File)
	if !ok {
		return terminal{}, false
	}
	t := terminal{int(file.Fd())}
	return t, term.IsTerminal(t.fd)
}

// askTwice reads a new secret twice, because it is not shown, and compares the inputs. The
// questions go to a separate stream from the result.
func (t terminal) askTwice(ctx context.Context, questions io.Writer) (string, error) {
	first, err := t.ask(ctx, questions, "Secret: ")
	if err != nil {
		return "", err
	}
	again, err := t.ask(ctx, questions, "The same again: ")
	if err != nil {
		return "", err
	}
	if first != again {
		return "", errors.New("the two secrets differ")
	}
	return first, nil
}

// ask reads a line without showing it. When ctx ends, for example by Ctrl-C, it restores
// the terminal and returns; the goroutine goes on reading.
func (t terminal) ask(ctx context.Context, questions io.Writer, question string) (string, error) {
	before, err := term.GetState(t.fd)
	if err != nil {
		return "", fmt.Errorf("the terminal: %w", err)
	}
	type line struct {
		text []byte
		err  error
	}
	read := make(chan line, 1)
	if _, err := io.WriteString(questions, question); err != nil {
		return "", err
	}
	go func() {
		text, err := term.ReadPassword(t.fd)
		read <- line{text, err}
	}()
	defer fmt.Fprintln(questions) // the typed line break is not shown either
	select {
	case <-ctx.Done():
		return "", errors.Join(errors.New("interrupted"), term.Restore(t.fd, before))
	case got := <-read:
		if errors.Is(got.err, io.EOF) {
			return "", errors.New("nothing was typed")
		}
		return string(got.text), got.err
	}
}
