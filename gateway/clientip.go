package gateway

import (
	"log/slog"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"
)

// clientAddresses finds the address of a request's client, for the log, the audit trail
// and the throttling of failed logins.
//
// X-Forwarded-For is trusted as far as trusted proxies have written it. The search
// starts at the address of the connection and continues from the last entry to the
// first. The client's address is the first one that is not of a trusted proxy, or the
// last one found if all are. An entry that is not an address ends the search: the
// client's address is then that of the trusted proxy which sent the entry, and all
// callers behind that proxy are throttled as one. Such entries are counted and logged.
//
// A connection without an address, as on a Unix socket, is not from a trusted proxy.
// Its callers have no address, and are not throttled by address.
type clientAddresses struct {
	trusted  []netip.Prefix
	unparsed prometheus.Counter
	logger   *slog.Logger
	warnings *logLimiter // shared by all successors of a Gateway
}

const (
	// logUnparsedEvery is the shortest time between two log lines about entries that
	// are not addresses.
	logUnparsedEvery = time.Minute
	// maxLoggedEntry limits the entry in such a line, in bytes.
	maxLoggedEntry = 128
)

func newClientAddresses(proxies []netip.Prefix, unparsed prometheus.Counter, logger *slog.Logger) *clientAddresses {
	trusted := make([]netip.Prefix, len(proxies))
	for i, p := range proxies {
		trusted[i] = plainPrefix(p)
	}
	return &clientAddresses{trusted: trusted, unparsed: unparsed, logger: logger, warnings: &logLimiter{every: logUnparsedEvery}}
}

// after makes warnings as rare as if the Gateway that is replaced wrote them.
func (a *clientAddresses) after(replaced *clientAddresses) { a.warnings = replaced.warnings }

// of returns the address of a request's client, invalid for none.
func (a *clientAddresses) of(r *http.Request) netip.Addr {
	addr, refused := a.find(r)
	if refused == "" {
		return addr
	}
	a.unparsed.Inc()
	if count := a.warnings.count(); count > 0 {
		a.logger.Warn("X-Forwarded-For of a trusted proxy holds an entry that is not an address: the proxy's own is used, and its callers are throttled as one",
			"entry", truncated(refused, maxLoggedEntry), "proxy", addr.String(), "count", count)
	}
	return addr
}

// find returns what of returns, and the entry that ended the search because it is not
// an address, or "".
func (a *clientAddresses) find(r *http.Request) (addr netip.Addr, refused string) {
	addr, _ = parseAddress(r.RemoteAddr)
	if !a.trusts(addr) {
		return addr, ""
	}
	for _, value := range slices.Backward(r.Header.Values(echo.HeaderXForwardedFor)) {
		for _, entry := range slices.Backward(strings.Split(value, ",")) {
			entry = strings.Trim(entry, " \t")
			if entry == "" {
				continue // a list may have empty elements: RFC 9110, section 5.6.1
			}
			next, ok := parseAddress(entry)
			if !ok {
				return addr, entry
			}
			if addr = next; !a.trusts(addr) {
				return addr, ""
			}
		}
	}
	return addr, ""
}

func (a *clientAddresses) trusts(addr netip.Addr) bool {
	return slices.ContainsFunc(a.trusted, func(p netip.Prefix) bool { return p.Contains(addr) })
}

// parseAddress parses an address with or without a port; an IPv6 address may be in
// brackets. All spellings of an address give the same result: IPv4 mapped into IPv6
// becomes IPv4, and a zone, which is only meaningful on its own host, is removed.
func parseAddress(text string) (netip.Addr, bool) {
	if strings.HasSuffix(text, "]") {
		text += ":0" // netip accepts brackets only with a port
	}
	addr, err := netip.ParseAddr(text)
	if err != nil {
		var withPort netip.AddrPort
		withPort, err = netip.ParseAddrPort(text)
		addr = withPort.Addr()
	}
	return addr.Unmap().WithZone(""), err == nil
}

// plainPrefix returns a network in the form of the addresses of parseAddress.
func plainPrefix(p netip.Prefix) netip.Prefix {
	const mapped = 96 // the bits before an IPv4 address that is mapped into IPv6
	if p.Addr().Is4In6() && p.Bits() >= mapped {
		return netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-mapped)
	}
	return p
}

// logLimiter limits how often an event is logged.
type logLimiter struct {
	every time.Duration

	mu     sync.Mutex // guards due and events
	due    time.Time  // when the next event may be logged
	events int        // since the last one that was logged
}

// count counts an event. It returns the number of events since the last one that was
// logged if this one is to be logged, and 0 otherwise.
func (l *logLimiter) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.events++
	now := time.Now()
	if now.Before(l.due) {
		return 0
	}
	events := l.events
	l.due, l.events = now.Add(l.every), 0
	return events
}

// newUnparsedCounter returns the counter of requests with an entry that is not an
// address.
func newUnparsedCounter() prometheus.Counter {
	return prometheus.NewCounter(prometheus.CounterOpts{
		Name: "ocigate_forwarded_for_unparsed_total",
		Help: "Requests from trusted proxies with an X-Forwarded-For that could not be read as far as needed: the nearest proxy's address was used as the caller's.",
	})
}

// addressText returns an address for the log and the audit trail, empty for none.
func addressText(addr netip.Addr) string {
	if !addr.IsValid() {
		return ""
	}
	return addr.String()
}
