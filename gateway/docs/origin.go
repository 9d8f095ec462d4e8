package docs

import (
	"net"
	"net/http"
	"net/netip"
	"regexp"
	"slices"
	"strings"
)

// host matches a name or an address with an optional port. What a client sends as its
// Host appears in commands that a reader copies into a shell, so nothing else passes.
var host = regexp.MustCompile(`^([A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?|\[[0-9A-Fa-f:.]{2,45}\])(:[0-9]{1,5})?$`)

// unknownOrigin represents an origin that could not be derived from a request.
const unknownOrigin = "https://gateway.example"

// originOf returns the scheme and the host under which the reader reached the page. A
// script replaces it by that of the browser if a proxy has changed the two.
func originOf(r *http.Request) string {
	if !host.MatchString(r.Host) {
		return unknownOrigin
	}
	scheme := "http"
	first, _, _ := strings.Cut(r.Header.Get("X-Forwarded-Proto"), ",")
	if r.TLS != nil || strings.EqualFold(strings.TrimSpace(first), "https") {
		scheme = "https"
	}
	return scheme + "://" + strings.ToLower(r.Host)
}

// forwarding are the headers that proxies add.
var forwarding = []string{"Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-Ip"}

// isLocal reports whether the request arrived at a loopback address, names a loopback
// host, and was not forwarded. The host alone does not suffice, since the client chooses
// it, and neither does the address: a page of another site can have its name lead here.
// A proxy on the same machine may forward requests from elsewhere with the host that the
// client chose.
func isLocal(r *http.Request) bool {
	if slices.ContainsFunc(forwarding, func(name string) bool { return r.Header.Get(name) != "" }) {
		return false
	}
	local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if !ok {
		return false
	}
	address, err := netip.ParseAddrPort(local.String())
	if err != nil || !address.Addr().Unmap().IsLoopback() {
		return false
	}
	name, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		name = strings.Trim(r.Host, "[]")
	}
	if strings.EqualFold(name, "localhost") {
		return true
	}
	named, err := netip.ParseAddr(name)
	return err == nil && named.Unmap().IsLoopback()
}
