//go:build unix

package postgres

import (
	"strings"
	"testing"
)

// These tests specify what Open refuses, and that its errors do not contain the password.
// To add a case, add an address or options to the table of TestOpenRefuses.

func TestOpenRefuses(t *testing.T) {
	const secret = "hu/sh#it's%a@secret"
	for _, c := range []struct {
		name, address string
		o             Options
		want          string
	}{
		{"another kind of address", "host=h password=" + secret, Options{}, "postgres: the URL must begin with postgres:// or postgresql://"},
		{"nothing", "", Options{}, "postgres: the URL must begin with postgres:// or postgresql://"},
		{"a password that is not encoded", "postgres://u:" + secret + "@h:1/d", Options{}, errAmbiguous.Error()},
		{"a bad parameter beside a password", "postgres://u:hush@h/d?sslmode=some&password=hush&sslpassword=hush", Options{},
			"postgres: the URL: cannot parse `postgres://u@h/d?sslmode=some`: failed to configure TLS (sslmode is invalid)"},
		{"a bad parameter of the pool", "postgres://u:hush@h/d?pool_max_conns=hush", Options{}, "postgres: the URL: cannot parse `postgres://u@h/d?pool_max_conns=hush`"},
		{"a lease without length", "postgres://u@h/d", Options{Lease: -1}, "postgres: Lease: must be positive, is -1ns"},
		{"a timeout that nothing meets", "postgres://u@h/d", Options{Timeout: 1}, "postgres: Timeout: must be at least 1ms, is 1ns"},
		{"a schema of the server", "postgres://u@h/d", Options{Schema: "pg_toast"}, `postgres: Schema: must be the name of a schema, is "pg_toast"`},
		{"a schema that would have to be quoted", "postgres://u@h/d", Options{Schema: `a", public; --`}, `postgres: Schema: must be the name of a schema, is "a\", public; --"`},
		{"fewer connections than none", "postgres://u@h/d", Options{Connections: -1}, "postgres: Connections: must be positive, is -1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, err := Open(c.address, c.o)
			if err == nil {
				_ = s.Close()
				t.Fatal("accepted")
			}
			if !strings.HasPrefix(err.Error(), c.want) {
				t.Errorf("%q instead of %q", err, c.want)
			}
		})
	}
}

func FuzzOpenKeepsThePasswordToItself(f *testing.F) {
	for _, password := range []string{"secret99", "a/b?c#d", "%zz%41", "@:@", "[::1]", " \x00"} {
		f.Add(password, "h", "sslmode=some")
	}
	f.Fuzz(func(t *testing.T, password, host, parameters string) {
		const tail = "<tail>"
		if strings.Contains(host+parameters, tail) {
			return
		}
		password += tail // which occurs nowhere else
		address := "postgres://u:" + password + "@" + host + "/d?" + parameters
		printed := Weakness(address)
		s, err := Open(address, Options{})
		if err == nil {
			printed += s.Address()
			must(t, s.Close())
		} else {
			printed += err.Error()
		}
		if strings.Contains(printed, tail) {
			t.Errorf("%q", printed)
		}
	})
}
