package main

import (
	"errors"
	"fmt"

	"ocigate/config"
)

// valueError is an error about a value of the configuration.
type valueError struct {
	path string // key of the value, such as "http.tls"
	err  error
}

// Error returns the path and the error.
func (e *valueError) Error() string { return e.path + ": " + e.err.Error() }

// Unwrap returns the error without the path.
func (e *valueError) Unwrap() error { return e.err }

// placed adds the place of the value to each error: the file with the line, or the
// variable.
func placed(c *config.Config, err error) error {
	if err == nil {
		return nil
	}
	// Only a joined error is split, not one that wraps others.
	if several, ok := err.(interface{ Unwrap() []error }); ok {
		var all []error
		for _, one := range several.Unwrap() {
			all = append(all, placed(c, one))
		}
		return errors.Join(all...)
	}
	var path string
	if at, ok := errors.AsType[*valueError](err); ok {
		path = at.path
	}
	if place := c.Place(path); place != "" {
		return fmt.Errorf("%s: %w", place, err)
	}
	return err
}
