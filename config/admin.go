package config

import (
	"fmt"
	"reflect"
)

// adminKey is the key of the section of the listener for operators.
const adminKey = "admin"

// LoadAdmin reads the section of the listener for operators of the configuration file at
// path, with environ over it, as [Load] does. As with [LoadJournal], problems of the
// other sections do not matter: a command can reach the running gateway also if its
// configuration's file is not valid now.
func LoadAdmin(path string, environ []string) (Admin, error) {
	raw, err := readFile(path)
	if err != nil {
		return Admin{}, fmt.Errorf("config: %w", err)
	}
	l := newLoader(path, environ, readFile)
	c, err := l.oneSection(adminKey, raw)
	if err != nil {
		return Admin{}, err
	}
	l.validateSection(adminKey, reflect.ValueOf(c.Admin))
	return c.Admin, l.err()
}
