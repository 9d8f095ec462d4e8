package config_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ocigate/config"
)

// These tests specify which settings are refused or warned of because they are not secure,
// besides the files in testdata/config/bad. To add an address or a list of networks, add a
// row.

// endpointsOf returns a configuration with endpoints at these addresses, each of them with
// TLS if it begins with "tls:".
func endpointsOf(addresses ...string) string {
	var b strings.Builder
	b.WriteString("platform:\n  user_id: \"ocigate\"\n  password: \"word\"\n  endpoints:\n")
	for i, a := range addresses {
		address, secured := strings.CutPrefix(a, "tls:")
		fmt.Fprintf(&b, "    - {name: e%d, address: %q, tls: {enabled: %v}}\n", i, address, secured)
	}
	return b.String()
}

func warningsOf(c *config.Config) []string {
	var lines []string
	for _, w := range c.Warnings() {
		lines = append(lines, w.String())
	}
	return lines
}

func TestEndpointsWithoutTLSAreWarnedOf(t *testing.T) {
	for address, warned := range map[string]bool{
		"ocs1.example.com:2208": true, "192.0.2.1:2208": true, "[2001:db8::1]:2208": true, "10.0.0.1:2208": true, "0.0.0.0:2208": true,
		"localhost.example.com:2208": true, "127.0.0.1.example.com:2208": true, "[fe80::1%eth0]:2208": true,
		"127.0.0.1:2208": false, "127.9.9.9:2208": false, "[::1]:2208": false, "[::ffff:127.0.0.1]:2208": false, "localhost:2208": false, "LocalHost:2208": false,
		"tls:ocs1.example.com:2209": false,
	} {
		got := warningsOf(parse(t, endpointsOf(address)))
		if len(got) > 0 != warned {
			t.Errorf("%s: %q", address, got)
		}
	}
	got := warningsOf(parse(t, endpointsOf("ocs1.example.com:2208", "127.0.0.1:2208", "192.0.2.1:2208")))
	const reason = " is not a loopback address: whoever is in between can read everything, give a caller who logs in the level System, and collect signed passwords to guess them"
	want := []string{
		"ocigate.yaml: line 5: platform.endpoints[0].tls.enabled: is false, and ocs1.example.com:2208" + reason,
		"ocigate.yaml: line 7: platform.endpoints[2].tls.enabled: is false, and 192.0.2.1:2208" + reason,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestEndpointsWithTLSAndWithout(t *testing.T) {
	for name, tt := range map[string]struct {
		addresses []string
		refused   string // the endpoint that is named
	}{
		"the second one is plain":           {[]string{"tls:a.example.com:2209", "b.example.com:2208"}, "platform.endpoints[1].tls.enabled"},
		"the first one is plain":            {[]string{"a.example.com:2208", "tls:b.example.com:2209"}, "platform.endpoints[0].tls.enabled"},
		"a plain one on a loopback address": {[]string{"tls:a.example.com:2209", "127.0.0.1:2208"}, ""},
		"all with TLS":                      {[]string{"tls:a.example.com:2209", "tls:b.example.com:2209"}, ""},
		"none with TLS":                     {[]string{"a.example.com:2208", "b.example.com:2208"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			raw := endpointsOf(tt.addresses...)
			if tt.refused == "" {
				parse(t, raw)
				return
			}
			if got := problems(t, raw); len(got) != 1 || !strings.Contains(got[0], tt.refused+": must be true") {
				t.Errorf("got %q", got)
			}
			if got := warningsOf(parse(t, raw+"  allow_mixed_tls: true\n")); len(got) != 1 || !strings.Contains(got[0], tt.refused) {
				t.Errorf("permitted, but warned of with %q", got)
			}
		})
	}
}

func TestProxiesThatCouldBeAnyone(t *testing.T) {
	for networks, family := range map[string]string{
		`"0.0.0.0/0"`: "IPv4", `"0.0.0.0/1", "128.0.0.0/1"`: "IPv4", `"128.0.0.0/1"`: "IPv4", `"::/0"`: "IPv6", `"2000::/3"`: "IPv6", `"::/1"`: "IPv6",
		`"10.0.0.0/8", "0.0.0.0/2", "64.0.0.0/3", "96.0.0.0/3"`: "IPv4", `"2000::/4"`: "IPv6", `"2000::/5", "2800::/5"`: "IPv6",
		`"::ffff:0:0/96"`: "IPv4", `"::ffff:0:0/97", "10.0.0.0/8"`: "IPv4", `"::/0", "0.0.0.0/0"`: "IPv4",
		`"0.0.0.0/2", "0.0.0.0/2", "64.0.0.0/2"`: "IPv4",

		`"10.0.0.0/8"`: "", `"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7", "127.0.0.0/8", "::1/128"`: "",
		`"2001:db8::/32", "2600::/12"`: "", `"130.211.0.0/22", "35.191.0.0/16"`: "", `"0.0.0.0/2"`: "", `"0.0.0.0/2", "0.0.0.0/2"`: "",
		`"0.0.0.0/2", "0.0.0.0/3", "32.0.0.0/3"`: "", `"::ffff:10.0.0.0/104"`: "", `"fe80::/10", "ff00::/8"`: "",
	} {
		raw := minimal + "http:\n  trusted_proxies: [" + networks + "]\n"
		if family == "" {
			if got := warningsOf(parse(t, raw)); len(got) > 0 {
				t.Errorf("%s: %q", networks, got)
			}
			continue
		}
		if got := problems(t, raw); len(got) != 1 || !strings.Contains(got[0], "http.trusted_proxies: must not cover half of all "+family+" addresses") {
			t.Errorf("%s: %q", networks, got)
		}
		if got := warningsOf(parse(t, raw+"  trust_all_proxies: true\n")); len(got) != 1 || !strings.Contains(got[0], family) {
			t.Errorf("%s: permitted, but warned of with %q", networks, got)
		}
	}
}
