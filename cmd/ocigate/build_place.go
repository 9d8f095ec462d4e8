package main

import (
	"errors"
	"fmt"

	"ocigate/config"
)

// valueError is what is wrong with a value of the configuration.
type valueError struct {
	path string // of the value, such as "http.tls"
	err  error
}

func (e *valueError) Error() string { return e.path + ": " + e.err.Error() }

func (e *valueError) Unwrap() error { return e.err }

// placed adds to each error where in the configuration its value comes from: the
// file with the line, or the variable.
func placed(c *config.Config, err error) error {
	if err == nil {
		return nil
	}
	// Those that it joins, not those that it wraps.
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
