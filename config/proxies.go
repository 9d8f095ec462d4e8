package config

import (
	"math"
	"net/netip"
	"slices"
)

// The keys of the trusted proxies.
const (
	proxiesKey      = "http.trusted_proxies"
	proxiesTrustKey = "http.trust_all_proxies"
)

// validateProxies refuses proxies that could be anyone.
func (l *loader) validateProxies(h HTTP) {
	family := everyAddress(h.TrustedProxies)
	l.conflict(family != "" && !h.TrustAllProxies, "must not cover half of all "+family+" addresses or more: then callers can choose the address "+
		"that is logged, audited and throttled, by sending X-Forwarded-For themselves; list the proxies' own networks, or set "+proxiesTrustKey+
		" if only a proxy can connect to http.listen", proxiesKey, proxiesTrustKey)
}

// everyAddress returns "IPv4" or "IPv6" if networks together cover half or more of all IPv4
// addresses, or of the IPv6 addresses of the Internet (2000::/3), and "" otherwise.
func everyAddress(networks []netip.Prefix) string {
	public := netip.MustParsePrefix("2000::/3")
	var v4, v6 float64 // shares that are covered
	for i, p := range networks {
		if slices.ContainsFunc(networks[:i], func(o netip.Prefix) bool { return o == p }) ||
			slices.ContainsFunc(networks, func(o netip.Prefix) bool { return o.Bits() < p.Bits() && o.Overlaps(p) }) {
			continue // it is a part of another one
		}
		switch share := math.Exp2(float64(-p.Bits())); {
		case p.Addr().Is4():
			v4 += share
		case p.Addr().Is4In6() && p.Bits() >= 96: // the gateway reads it as a network of IPv4
			v4 += math.Exp2(float64(96 - p.Bits()))
		case p.Overlaps(public):
			v6 += min(1, share*8)
		}
	}
	switch {
	case v4 >= 0.5:
		return "IPv4"
	case v6 >= 0.5:
		return "IPv6"
	}
	return ""
}
