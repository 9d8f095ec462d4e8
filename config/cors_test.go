package config_test

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"

	"ocigate/config"
)

// Origins of http.cors. Add a text to TestOrigins with whether a browser can send it.

func TestOrigins(t *testing.T) {
	for origin, want := range map[string]bool{
		"https://portal.example.com":            true,
		"https://portal.example.com:8443":       true,
		"https://portal":                        true,
		"https://xn--bcher-kva.example":         true,
		"https://192.0.2.1":                     true,
		"https://[2001:db8::1]":                 true,
		"https://[2001:db8::1]:8443":            true,
		"http://localhost":                      true,
		"http://localhost:3000":                 true,
		"http://127.0.0.1:3000":                 true,
		"http://[::1]:3000":                     true,
		"http://portal.example.com":             false,
		"http://localhost.example.com":          false,
		"http://localhost:80":                   false,
		"https://portal.example.com:443":        false,
		"https://portal.example.com:":           false,
		"https://portal.example.com:0":          false,
		"https://portal.example.com:08443":      false,
		"https://portal.example.com:65536":      false,
		"https://portal.example.com/":           false,
		"https://portal.example.com/path":       false,
		"https://portal.example.com?":           false,
		"https://portal.example.com#":           false,
		"https://user@portal.example.com":       false,
		"https://Portal.example.com":            false,
		"HTTPS://portal.example.com":            false,
		"https://bücher.example":                false,
		"https://*.example.com":                 false,
		"https://portal.example.com.":           false,
		"https://portal..example.com":           false,
		"https://-portal.example.com":           false,
		"https://[2001:DB8::1]":                 false,
		"https://[2001:db8:0:0:0:0:0:1]":        false,
		"https://[fe80::1%25eth0]":              false,
		"https://":                              false,
		"portal.example.com":                    false,
		"ftp://portal.example.com":              false,
		"file://":                               false,
		"null":                                  false,
		"*":                                     false,
		"":                                      false,
		" https://portal.example.com":           false,
		"https://portal.example.com https:":     false,
		"https://a." + strings.Repeat("b", 300): false,
	} {
		raw := fmt.Sprintf("%s\nhttp:\n  cors:\n    origins: [%q]\n", minimal, origin)
		c, err := config.Parse([]byte(raw), nil, os.ReadFile)
		if (err == nil) != want {
			t.Errorf("%q: %v", origin, err)
		}
		if err != nil {
			continue
		}
		// The check of cookies takes whatever is accepted here.
		if err := http.NewCrossOriginProtection().AddTrustedOrigin(string(c.HTTP.CORS.Origins[0])); err != nil {
			t.Errorf("%q: %v", origin, err)
		}
	}
}
