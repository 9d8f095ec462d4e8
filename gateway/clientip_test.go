package gateway_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"ocigate/gateway"
	"ocigate/gateway/auth"
)

// The addresses of callers behind trusted proxies. Add a chain to TestAddressesOfCallers.

// behind trusts the networks of the proxies.
func behind(networks ...string) func(*gateway.Options) {
	return func(o *gateway.Options) {
		for _, network := range networks {
			o.TrustedProxies = append(o.TrustedProxies, netip.MustParsePrefix(network))
		}
	}
}

// from makes a read for a caller at that address of a connection.
func (r *rig) from(t *testing.T, remote string, forwarded ...string) response {
	t.Helper()
	request := r.request(t, call{path: ownList("prefixes"), client: system})
	request.RemoteAddr = remote
	request.RequestURI = request.URL.RequestURI()
	if forwarded != nil {
		request.Header["X-Forwarded-For"] = forwarded
	}
	recorder := httptest.NewRecorder()
	r.handler.ServeHTTP(recorder, request)
	return readResponse(t, recorder.Result())
}

// all returns the lines by their fields, in their order.
func (l *logBuffer) all(t *testing.T) []map[string]any {
	t.Helper()
	var lines []map[string]any
	for line := range strings.Lines(l.String()) {
		fields := map[string]any{}
		must(t, json.Unmarshal([]byte(line), &fields))
		lines = append(lines, fields)
	}
	return lines
}

func TestAddressesOfCallers(t *testing.T) {
	const proxy = "10.0.0.1:4711"
	trusted := []string{"10.0.0.0/8", "2001:db8:ffff::/48"}
	for name, c := range map[string]struct {
		remote    string // proxy if it is empty
		forwarded []string
		want      string
		unparsed  string // the entry that is not an address, "" for none
	}{
		"no header":                          {"", nil, "10.0.0.1", ""},
		"an address":                         {"", []string{"203.0.113.7"}, "203.0.113.7", ""},
		"an address with a port":             {"", []string{"203.0.113.7:51234"}, "203.0.113.7", ""},
		"IPv6":                               {"", []string{"2001:db8::7"}, "2001:db8::7", ""},
		"IPv6 in brackets":                   {"", []string{"[2001:db8::7]"}, "2001:db8::7", ""},
		"IPv6 with a port":                   {"", []string{"[2001:db8::7]:443"}, "2001:db8::7", ""},
		"IPv6 in another spelling":           {"", []string{"2001:0DB8:0:0::0007"}, "2001:db8::7", ""},
		"IPv6 with a zone":                   {"", []string{"fe80::7%eth0"}, "fe80::7", ""},
		"IPv6 with a zone and a port":        {"", []string{"[fe80::7%eth0]:443"}, "fe80::7", ""},
		"IPv4 mapped into IPv6":              {"", []string{"::ffff:203.0.113.7"}, "203.0.113.7", ""},
		"IPv4 mapped into IPv6, with a port": {"", []string{"[::ffff:203.0.113.7]:443"}, "203.0.113.7", ""},
		"blanks":                             {"", []string{" \t203.0.113.7:1 "}, "203.0.113.7", ""},
		"the last of several":                {"", []string{"198.51.100.1, 203.0.113.7:51234"}, "203.0.113.7", ""},
		"before trusted ones":                {"", []string{"198.51.100.1,203.0.113.7:51234, 10.9.9.9:80,[2001:db8:ffff::1]:80"}, "203.0.113.7", ""},
		"several headers":                    {"", []string{"198.51.100.1", "203.0.113.7", "10.9.9.9"}, "203.0.113.7", ""},
		"the last header of several":         {"", []string{"198.51.100.1", "203.0.113.7"}, "203.0.113.7", ""},
		"empty entries":                      {"", []string{"203.0.113.7, ,10.9.9.9,", ""}, "203.0.113.7", ""},
		"trusted ones alone":                 {"", []string{"10.2.2.2, 10.9.9.9:80"}, "10.2.2.2", ""},
		"a trusted one that is mapped":       {"", []string{"203.0.113.7, ::ffff:10.9.9.9"}, "203.0.113.7", ""},
		"an empty header":                    {"", []string{""}, "10.0.0.1", ""},
		"a proxy over IPv6":                  {"[2001:db8:ffff::1]:4711", []string{"203.0.113.7"}, "203.0.113.7", ""},
		"a proxy that is mapped into IPv6":   {"[::ffff:10.0.0.1]:4711", []string{"203.0.113.7"}, "203.0.113.7", ""},
		"a proxy that is not trusted":        {"192.0.2.1:4711", []string{"203.0.113.7"}, "192.0.2.1", ""},
		"nonsense of one who is not trusted": {"192.0.2.1:4711", []string{"unknown"}, "192.0.2.1", ""},
		"nonsense before the caller":         {"", []string{"unknown, 203.0.113.7"}, "203.0.113.7", ""},
		"a Unix socket":                      {"@", []string{"203.0.113.7"}, "", ""},
		"no address at all":                  {" ", []string{"203.0.113.7"}, "", ""},
		"a name":                             {"", []string{"unknown"}, "10.0.0.1", "unknown"},
		"a name before a trusted one":        {"", []string{"203.0.113.7, _hidden, 10.9.9.9"}, "10.9.9.9", "_hidden"},
		"a port that is none":                {"", []string{"203.0.113.7:http"}, "10.0.0.1", "203.0.113.7:http"},
		"a port that is too large":           {"", []string{"203.0.113.7:65536"}, "10.0.0.1", "203.0.113.7:65536"},
		"IPv4 in brackets":                   {"", []string{"[203.0.113.7]"}, "10.0.0.1", "[203.0.113.7]"},
		"a bracket that is not closed":       {"", []string{"[2001:db8::7"}, "10.0.0.1", "[2001:db8::7"},
		"a bracket that is not opened":       {"", []string{"2001:db8::7]"}, "10.0.0.1", "2001:db8::7]"},
		"an address with leading zeros":      {"", []string{"203.0.113.007"}, "10.0.0.1", "203.0.113.007"},
		"a network":                          {"", []string{"203.0.113.0/24"}, "10.0.0.1", "203.0.113.0/24"},
		"an element of Forwarded":            {"", []string{"for=203.0.113.7"}, "10.0.0.1", "for=203.0.113.7"},
		"semicolons":                         {"", []string{"203.0.113.7; 203.0.113.8"}, "10.0.0.1", "203.0.113.7; 203.0.113.8"},
		"a long one":                         {"", []string{strings.Repeat("x", 4000)}, "10.0.0.1", strings.Repeat("x", 128) + "…"},
	} {
		t.Run(name, func(t *testing.T) {
			r := start(t, setup{gateway: behind(trusted...)})
			if c.remote == "" {
				c.remote = proxy
			}
			r.from(t, c.remote, c.forwarded...).wantStatus(t, http.StatusOK)
			if got := r.log.last(t)["client_ip"]; got != c.want {
				t.Errorf("the caller is at %v, want %s", got, c.want)
			}
			var want float64
			if c.unparsed != "" {
				want = 1
				if line := r.log.all(t)[0]; line["level"] != "WARN" || line["entry"] != c.unparsed || line["proxy"] != c.want {
					t.Errorf("logged %v", line)
				}
			}
			if got := counted(t, r, "ocigate_forwarded_for_unparsed_total")[""]; got != want {
				t.Errorf("counted %v, want %v", got, want)
			}
		})
	}
}

// A network that is written as one of IPv6 trusts the same proxies.
func TestTrustedNetworkThatIsMapped(t *testing.T) {
	r := start(t, setup{gateway: behind("::ffff:10.0.0.0/104")})
	r.from(t, "10.0.0.1:1", "203.0.113.7").wantStatus(t, http.StatusOK)
	if got := r.log.last(t)["client_ip"]; got != "203.0.113.7" {
		t.Errorf("the caller is at %v", got)
	}
}

// Entries that are not addresses are logged immediately, and then with their number at
// most once a minute, for all senders together.
func TestUnparsedAddressesDoNotFillTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startInBubble(t, setup{gateway: behind("10.0.0.0/8")})
		warned := func() (counts []any) {
			for _, line := range r.log.all(t) {
				if line["level"] == "WARN" {
					counts = append(counts, line["count"])
				}
			}
			return counts
		}
		for range 100 {
			r.from(t, "10.0.0.1:1", "unknown")
		}
		if got := fmt.Sprint(warned()); got != "[1]" {
			t.Errorf("warned %s", got)
		}
		time.Sleep(time.Minute)
		r.from(t, "10.0.0.2:1", "nobody")
		r.from(t, "10.0.0.2:1", "nobody")
		if got := fmt.Sprint(warned()); got != "[1 100]" {
			t.Errorf("warned %s", got)
		}
		time.Sleep(time.Minute - time.Nanosecond)
		r.from(t, "10.0.0.2:1", "nobody")
		if got := fmt.Sprint(warned()); got != "[1 100]" {
			t.Errorf("warned %s", got)
		}
		wantCounted(t, r, "ocigate_forwarded_for_unparsed_total", map[string]float64{"": 103})
	})
}

// Callers are throttled by their address, whatever its spelling, and independently of
// others behind the same proxy.
func TestThrottlingFollowsTheCallersAddress(t *testing.T) {
	guess := func(t *testing.T, r *rig, forwarded string) int {
		t.Helper()
		request := r.request(t, call{path: ownList("numbers"), header: http.Header{"X-Api-Key": {"nobody.guess"}, "X-Forwarded-For": {forwarded}}})
		request.RemoteAddr = "10.0.0.1:4711"
		recorder := httptest.NewRecorder()
		r.handler.ServeHTTP(recorder, request)
		return recorder.Code
	}
	for name, spellings := range map[string][]string{
		"IPv4": {"203.0.113.7", "203.0.113.7:51234", "203.0.113.7:51235", "::ffff:203.0.113.7", "198.51.100.9, 203.0.113.7:1"},
		"IPv6": {"2001:db8::7", "[2001:db8::7]:443", "[2001:db8::7]", "2001:DB8:0::7", "[2001:db8::7%eth0]:1"},
	} {
		for _, first := range spellings {
			t.Run(name+" as "+first, func(t *testing.T) {
				r := start(t, setup{gateway: behind("10.0.0.0/8"), auth: func(o *auth.Options) {
					o.AddressLimit = auth.Limit{FreeAttempts: 1, BaseDelay: time.Hour, MaxDelay: time.Hour}
					o.AccountLimit = auth.Limit{FreeAttempts: 100}
				}})
				if got := guess(t, r, first); got != http.StatusUnauthorized {
					t.Errorf("the first guess is answered with %d", got)
				}
				for _, other := range spellings {
					if got := guess(t, r, other); got != http.StatusTooManyRequests {
						t.Errorf("a guess as %s is answered with %d", other, got)
					}
				}
				for _, neighbour := range []string{"203.0.113.8:51234", "[2001:db8:1::7]:443"} {
					if got := guess(t, r, neighbour); got != http.StatusUnauthorized {
						t.Errorf("%s is answered with %d", neighbour, got)
					}
				}
			})
		}
	}
}

// The log, the audit trail and the throttle know a caller by the same address.
func TestAddressInTheAuditTrail(t *testing.T) {
	r := start(t, setup{gateway: behind("127.0.0.0/8")})
	header := http.Header{"X-Forwarded-For": {"[2001:db8::7]:443"}}
	login, write := loginCall("groupadmin", passwordOf("groupadmin")), assignFreeRange()
	login.header, write.header = header, header
	r.call(t, login).wantStatus(t, http.StatusOK)
	r.call(t, write).wantStatus(t, http.StatusCreated)
	for _, line := range r.log.all(t) {
		if line["client_ip"] != "2001:db8::7" {
			t.Errorf("logged %v", line)
		}
	}
	events := r.events(t)
	if len(events) == 0 {
		t.Fatal("the audit trail is empty")
	}
	for _, event := range events {
		if event.Caller.ClientIP != "2001:db8::7" {
			t.Errorf("%s has %q", event.Kind, event.Caller.ClientIP)
		}
	}
}
