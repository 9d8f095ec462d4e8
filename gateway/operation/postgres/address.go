package postgres

import (
	"net"
	"slices"
	"strconv"
	"strings"
)

// Address returns where the database is, without the user and the password: its name, and
// the host and port of each server that may have it, such as
// "ocigate at db1:5432, db2:5432". The host of a Unix socket is its folder.
func (s *Store) Address() string {
	c := s.pool.Config().ConnConfig
	join := func(host string, port uint16) string { return net.JoinHostPort(host, strconv.Itoa(int(port))) }
	hosts := []string{join(c.Host, c.Port)}
	for _, f := range c.Fallbacks {
		// A host is tried with TLS and then without, depending on sslmode.
		if host := join(f.Host, f.Port); !slices.Contains(hosts, host) {
			hosts = append(hosts, host)
		}
	}
	return c.Database + " at " + strings.Join(hosts, ", ")
}
