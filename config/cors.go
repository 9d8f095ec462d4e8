package config

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// CORS lists the pages of other origins whose scripts may use the API.
type CORS struct {
	Origins     []Origin      `yaml:"origins" doc:"Origins of these pages, each as browsers send it. There are no wildcards: a listed page may request logins and, with credentials, changes in the name of its user."`
	Credentials bool          `yaml:"credentials" doc:"Whether the browser adds credentials of its own to the requests of these pages: the sessionid cookie, as far as auth.cookie.same_site permits it, and Basic, if its user has entered that. Without it, the pages use the token of a login. It needs origins."`
	MaxAge      time.Duration `yaml:"max_age" rule:"0s..24h" doc:"How long a browser may keep the response to a preflight, in whole seconds; 0s for not at all."`
}

// Origin is the origin of a page, as browsers send it: scheme, host and, unless it is
// the default, port.
type Origin string

var originType = reflect.TypeFor[Origin]()

var originLeaf = leaf{
	noun:  "an origin as browsers send it, such as https://portal.example.com or https://portal.example.com:8443, in lower case and without a path (http for localhost only)",
	tags:  []string{tagString},
	parse: func(s string) (any, bool) { return s, isOrigin(s) },
}

// originHost is a name of a host as browsers send it: in ASCII and in lower case.
var originHost = regexp.MustCompile(`\A[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*\z`)

// isOrigin reports whether a browser can send this text as an origin, of a page that
// came over HTTPS or from the browser's own host. Another spelling of an origin would
// never match.
func isOrigin(s string) bool {
	u, err := url.Parse(s)
	if err != nil || u.Scheme+"://"+u.Host != s {
		return false // it has a path, a user or the like, or a scheme in capitals
	}
	host := u.Hostname()
	address, notAddress := netip.ParseAddr(host)
	isAddress := notAddress == nil && address.String() == host && address.Zone() == ""
	isName := notAddress != nil && len(host) <= 253 && originHost.MatchString(host)
	return (isAddress || isName) && (u.Scheme == "https" || u.Scheme == "http" && isOwnHost(host)) && isOriginPort(u)
}

// isOwnHost reports whether a host is the one that asks: localhost or a loopback address.
func isOwnHost(host string) bool {
	address, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && address.Unmap().IsLoopback()
}

// isOriginPort reports whether an origin has no port, or one that is not the default of
// its scheme, which browsers leave out.
func isOriginPort(u *url.URL) bool {
	standard := map[string]string{"https": "443", "http": "80"}[u.Scheme]
	port := u.Port()
	if port == "" {
		return !strings.HasSuffix(u.Host, ":")
	}
	n, err := strconv.ParseUint(port, 10, 16)
	return err == nil && n > 0 && strconv.FormatUint(n, 10) == port && port != standard && u.Host == net.JoinHostPort(u.Hostname(), port)
}

func (l *loader) validateCORS(c CORS) {
	const list = "http.cors.origins"
	l.conflict(c.Credentials && len(c.Origins) == 0, "must not be empty, since http.cors.credentials is true", list, "http.cors.credentials")
	first := map[Origin]int{}
	for i, origin := range c.Origins {
		earlier, seen := first[origin]
		if !seen {
			first[origin] = i
			continue
		}
		l.conflict(true, fmt.Sprintf("must be given only once: %s has the same value", entry(list, earlier)), entry(list, i))
	}
	l.conflict(c.MaxAge%time.Second != 0, "must be in whole seconds, not "+duration(c.MaxAge), "http.cors.max_age")
}
