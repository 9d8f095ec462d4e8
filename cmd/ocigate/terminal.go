package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/term"
)

// terminal is where somebody types.
type terminal struct{ fd int }

// terminalOf is the terminal that a reader reads from, if it does.
func terminalOf(r io.Reader) (terminal, bool) {
	file, ok := r.(*os.File)
	if !ok {
		return terminal{}, false
	}
	t := terminal{int(file.Fd())}
	return t, term.IsTerminal(t.fd)
}

// askTwice asks for a new secret and, since nobody can see it, for the same again.
// It writes the questions to another stream than the result goes to.
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

// ask reads a line that is not shown. When ctx ends, as it does by Ctrl-C, the
// terminal is put back as it was, and the line is left to be read.
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
	defer fmt.Fprintln(questions) // the one that was typed is not shown either
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
