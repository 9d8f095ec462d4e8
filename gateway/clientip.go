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

// clientAddresses finds out the address that a request comes from: for the log,
// the audit trail and the throttling of guesses alike.
//
// X-Forwarded-For is believed as far as trusted proxies have written it: from
// the connection's own address on, and then from the last entry to the first,
// the client is at the first address that no trusted proxy has. Where all are
// those of trusted proxies, it is the farthest. Where an entry is not an
// address, the search ends: the client is taken to be at the address before,
// that of the trusted proxy which sent it, and all its callers are then
// throttled as one. So that is counted and logged.
//
// A connection without an address, as on a Unix socket, is not one of a trusted
// proxy. Its callers have no address, and are not throttled by it.
type clientAddresses struct {
	trusted  []netip.Prefix
	unparsed prometheus.Counter
	logger   *slog.Logger
	seldom   seldom
}

const (
	// logUnparsedEvery is the least time between two log lines on entries that
	// are no addresses.
	logUnparsedEvery = time.Minute
	// maxLoggedEntry bounds what such a line repeats of one, in bytes.
	maxLoggedEntry = 128
)

func newClientAddresses(proxies []netip.Prefix, unparsed prometheus.Counter, logger *slog.Logger) *clientAddresses {
	trusted := make([]netip.Prefix, len(proxies))
	for i, p := range proxies {
		trusted[i] = plainPrefix(p)
	}
	return &clientAddresses{trusted: trusted, unparsed: unparsed, logger: logger, seldom: seldom{every: logUnparsedEvery}}
}

// of is the address that a request comes from, invalid for none.
func (a *clientAddresses) of(r *http.Request) netip.Addr {
	addr, refused := a.find(r)
	if refused == "" {
		return addr
	}
	a.unparsed.Inc()
	if count := a.seldom.now(); count > 0 {
		a.logger.Warn("X-Forwarded-For of a trusted proxy holds an entry that is not an address: the proxy's own is used, and its callers are throttled as one",
			"entry", truncated(refused, maxLoggedEntry), "proxy", addr.String(), "count", count)
	}
	return addr
}

// find is of, with the entry that is not an address, if the search met one.
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

// parseAddress reads an address with or without a port, and an IPv6 address with
// or without brackets. All spellings of an address give the same: IPv4 that is
// mapped into IPv6 is IPv4, and a zone, which has a meaning on its own host only,
// is left out.
func parseAddress(text string) (netip.Addr, bool) {
	if strings.HasSuffix(text, "]") {
		text += ":0" // netip takes brackets with a port alone
	}
	addr, err := netip.ParseAddr(text)
	if err != nil {
		var withPort netip.AddrPort
		withPort, err = netip.ParseAddrPort(text)
		addr = withPort.Addr()
	}
	return addr.Unmap().WithZone(""), err == nil
}

// plainPrefix is a network in the form of parseAddress.
func plainPrefix(p netip.Prefix) netip.Prefix {
	const mapped = 96 // the bits before an IPv4 address that is mapped into IPv6
	if p.Addr().Is4In6() && p.Bits() >= mapped {
		return netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-mapped)
	}
	return p
}

// seldom keeps what happens often from being logged each time.
type seldom struct {
	every time.Duration

	mu    sync.Mutex // guards what follows
	due   time.Time  // from when on the next is to be logged
	count int        // since the last that was logged
}

// now reports how often it has happened since it was last to be logged, this
// time included, where it is to be logged now, and otherwise 0.
func (s *seldom) now() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count++
	now := time.Now()
	if now.Before(s.due) {
		return 0
	}
	count := s.count
	s.due, s.count = now.Add(s.every), 0
	return count
}

// newUnparsedCounter counts the requests with an entry that is no address.
func newUnparsedCounter() prometheus.Counter {
	return prometheus.NewCounter(prometheus.CounterOpts{
		Name: "ocigate_forwarded_for_unparsed_total",
		Help: "Requests from trusted proxies with an X-Forwarded-For that could not be read as far as needed: the nearest proxy's address was used as the caller's.",
	})
}

// addressText is an address for the log and the audit trail, empty for none.
func addressText(addr netip.Addr) string {
	if !addr.IsValid() {
		return ""
	}
	return addr.String()
}
