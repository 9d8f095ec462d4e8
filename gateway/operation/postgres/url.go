package postgres

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// This file reads the URL of a database: it finds passwords that are not encoded, and
// requires TLS.

var (
	errScheme    = errors.New("postgres: the URL must begin with postgres:// or postgresql://")
	errMalformed = errors.New("postgres: the URL is malformed; special characters in a user's name or password must be percent-encoded")
	errAmbiguous = errors.New("postgres: the URL contains an @ that does not end the user and the password; special characters in them must be percent-encoded, such as %40 for @ and %2F for /")
	errUnsecured = errors.New("postgres: the URL must set sslmode")
)

// requiredMode is the sslmode of a URL that sets none, if a host is not local.
const requiredMode = "sslmode=verify-full"

// connection is a parsed URL.
type connection struct {
	*pgxpool.Config

	// required reports that the URL sets no sslmode, and a host is not local: then the
	// connections need a verified certificate.
	required bool
}

// parse parses a URL. If the URL sets no sslmode and one of its hosts is not local, all
// connections need TLS with a verified certificate, whatever the environment says: the
// default of PostgreSQL (sslmode=prefer) sends the password in clear text to a server that
// declines TLS. The hosts are those of the result, because they may be from a parameter,
// the environment or a service file. The error contains no part of the password.
func parse(address string) (*connection, error) {
	parts, err := split(address)
	if err != nil {
		return nil, err
	}
	config, err := parts.config(address)
	if err != nil {
		return nil, err
	}
	if parts.setsMode() || !slices.ContainsFunc(routes(config), route.remote) {
		return &connection{Config: config}, nil
	}
	if config, err = parts.config(parts.with(requiredMode)); err != nil {
		return nil, err
	}
	if slices.ContainsFunc(routes(config), func(r route) bool { return r.weakness() != "" }) {
		return nil, errUnsecured // the driver has not found the mode where this package has put it
	}
	return &connection{config, true}, nil
}

// urlParts are the parts of a URL, as the driver separates them: the first @ before a slash
// ends the user and the password.
type urlParts struct{ scheme, user, password, rest string }

// split separates a URL. It refuses any other @: then the password may contain an @ or a
// slash, and the driver would take the rest of it for a host or a database, whose names
// are in logs.
func split(address string) (urlParts, error) {
	scheme, rest, ok := strings.Cut(address, "://")
	if !ok || scheme != "postgres" && scheme != "postgresql" {
		return urlParts{}, errScheme
	}
	parts := urlParts{scheme: scheme + "://", rest: rest}
	if i := strings.IndexAny(rest, "@/"); i >= 0 && rest[i] == '@' {
		parts.user, parts.password, _ = strings.Cut(rest[:i], ":")
		parts.rest = rest[i+1:]
	}
	if strings.Contains(parts.rest, "@") {
		return urlParts{}, errAmbiguous
	}
	return parts, nil
}

// config parses the URL or a variant of it. The errors of the driver quote the URL, and do
// not always hide the password: so config returns the error of the URL without it.
func (u urlParts) config(address string) (*pgxpool.Config, error) {
	config, err := pgxpool.ParseConfig(address)
	if err == nil {
		return config, nil
	}
	if _, err = pgxpool.ParseConfig(u.bare()); err == nil {
		return nil, errMalformed
	}
	return nil, fmt.Errorf("postgres: the URL: %w", err)
}

// bare returns the URL without the passwords.
func (u urlParts) bare() string {
	where, _, _ := strings.Cut(u.rest, "?")
	var kept []string
	for key, pair := range u.parameters() {
		if key != "password" && key != "sslpassword" {
			kept = append(kept, pair)
		}
	}
	bare := u.scheme
	if u.user != "" {
		bare += u.user + "@"
	}
	bare += where
	if len(kept) > 0 {
		bare += "?" + strings.Join(kept, "&")
	}
	return bare
}

// parameters yields the decoded key of each parameter, and the parameter itself. It leaves
// out what has no key or cannot be decoded.
func (u urlParts) parameters() func(yield func(key, pair string) bool) {
	return func(yield func(key, pair string) bool) {
		_, query, _ := strings.Cut(u.rest, "?")
		for pair := range strings.SplitSeq(query, "&") {
			encoded, _, ok := strings.Cut(pair, "=")
			key, err := url.PathUnescape(strings.Trim(encoded, " "))
			if ok && err == nil && !yield(key, pair) {
				return
			}
		}
	}
}

// setsMode reports whether the URL sets sslmode.
func (u urlParts) setsMode() bool {
	set := false
	for key, pair := range u.parameters() {
		_, value, _ := strings.Cut(pair, "=")
		switch key {
		case "sslmode": // the last one counts, and an empty one sets nothing
			set = strings.Trim(value, " ") != ""
		case "ssl":
			set = set || value == "true"
		}
	}
	return set
}

// with returns the URL with one more parameter at its end, where it replaces an earlier one.
func (u urlParts) with(parameter string) string {
	address := u.scheme
	if u.user != "" || u.password != "" {
		address += u.user + ":" + u.password + "@"
	}
	address += u.rest
	switch {
	case !strings.Contains(u.rest, "?"):
		address += "?"
	case !strings.HasSuffix(u.rest, "?") && !strings.HasSuffix(u.rest, "&"):
		address += "&"
	}
	return address + parameter
}

// route is a host with how it is connected to. The driver tries several in their order: those
// of several hosts, and with sslmode=prefer one with TLS and one without.
type route struct {
	host    string
	secured *tls.Config // nil without TLS
}

// routes returns the routes of a configuration.
func routes(c *pgxpool.Config) []route {
	list := []route{{c.ConnConfig.Host, c.ConnConfig.TLSConfig}}
	for _, f := range c.ConnConfig.Fallbacks {
		list = append(list, route{f.Host, f.TLSConfig})
	}
	return list
}

// remote reports whether the host is neither a loopback address nor the folder of a Unix
// socket. Names are not resolved: only localhost counts as loopback.
func (r route) remote() bool {
	if network, _ := pgconn.NetworkAddress(r.host, 0); network == "unix" {
		return false
	}
	address, err := netip.ParseAddr(r.host)
	return !strings.EqualFold(r.host, "localhost") && (err != nil || !address.Unmap().IsLoopback())
}

// weakness returns what the route leaves open to whoever is between the gateway and a host
// that is not local, as a clause whose subject is the URL, and "" for nothing.
func (r route) weakness() string {
	switch s := r.secured; {
	case !r.remote():
		return ""
	case s == nil:
		return "permits connections without TLS to " + r.host + ": whoever is in between can read and change everything, and get the password by asking for it in clear text"
	case s.InsecureSkipVerify && s.VerifyPeerCertificate == nil:
		return "does not require that the certificate of " + r.host + " is verified: whoever is in between can pretend to be the server"
	case s.InsecureSkipVerify:
		return "does not require that the name in the certificate of " + r.host + " is verified: whoever has a certificate of the same authority can pretend to be the server"
	}
	return ""
}

// Weakness returns what the sslmode that a URL sets leaves open to whoever is between the
// gateway and a server that is not local, as clauses whose subject is the URL, and "" for
// nothing. A URL that sets no sslmode leaves nothing open. Neither does an invalid one, which
// [Open] refuses.
func Weakness(address string) string {
	c, err := parse(address)
	if err != nil {
		return ""
	}
	var found []string
	for _, r := range routes(c.Config) {
		if w := r.weakness(); w != "" && !slices.Contains(found, w) {
			found = append(found, w)
		}
	}
	return strings.Join(found, "; ")
}

// explain adds to an error about TLS why TLS is required.
func (c *connection) explain(err error) error {
	if c.required && isTLS(err) {
		return fmt.Errorf("%w (the URL sets no sslmode, so "+requiredMode+" is required for this host: let the server present a certificate for it, of an authority that this machine or sslrootcert=FILE has, or set a weaker sslmode in the URL)", err)
	}
	return err
}
