package config

import (
	"fmt"
	"net"
	"slices"
)

// isPlain reports whether the connections to an endpoint are without TLS and leave this
// machine. Names are not resolved: only localhost counts as this machine.
func (e Endpoint) isPlain() bool {
	if e.TLS.Enabled {
		return false
	}
	host, _, err := net.SplitHostPort(e.Address)
	return err == nil && !isOwnHost(host)
}

// validateTransport refuses endpoints without TLS beside those with it: whoever blocks the
// connections with TLS would make the gateway use the others.
func (l *loader) validateTransport(p Platform) {
	plain := slices.IndexFunc(p.Endpoints, Endpoint.isPlain)
	secured := slices.IndexFunc(p.Endpoints, func(e Endpoint) bool { return e.TLS.Enabled })
	if plain < 0 || secured < 0 {
		return
	}
	const confirmation = "platform.allow_mixed_tls"
	at, other := join(entry("platform.endpoints", plain), "tls.enabled"), join(entry("platform.endpoints", secured), "tls.enabled")
	l.conflict(!p.AllowMixedTLS, "must be true, since "+entry("platform.endpoints", secured)+
		" has TLS: whoever blocks the connections with TLS makes the gateway log in without it; "+confirmation+" permits that", at, other, confirmation)
}

// Warnings returns the settings that are valid but not secure, in the order of the keys.
// Whoever starts or checks a gateway must be shown them: they may be intended.
func (c *Config) Warnings() []Problem {
	var list []Problem
	warn := func(path, reason string) { list = append(list, c.Problem(path, reason)) }
	if family := everyAddress(c.HTTP.TrustedProxies); family != "" {
		warn(proxiesKey, "covers half of all "+family+" addresses or more: callers can choose the address that is logged, audited and throttled")
	}
	for i, e := range c.Platform.Endpoints {
		if e.isPlain() {
			warn(join(entry("platform.endpoints", i), "tls.enabled"), fmt.Sprintf("is false, and %s is not a loopback address: "+
				"whoever is in between can read everything, give a caller who logs in the level System, and collect signed passwords to guess them", e.Address))
		}
	}
	return list
}
