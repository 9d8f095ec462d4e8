package main

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ocigate/config"
	"ocigate/gateway"
)

// The settings for portals, as options of the packages that use them.

func TestCORSOptions(t *testing.T) {
	c := config.Default()
	if got := corsOptions(c.HTTP.CORS); len(got.Origins) != 0 || got.Credentials {
		t.Errorf("by default, pages of other origins may use the API: %+v", got)
	}
	c.HTTP.CORS = config.CORS{Origins: []config.Origin{"https://portal.example.com"}, Credentials: true, MaxAge: time.Hour}
	want := gateway.CORS{Origins: []string{"https://portal.example.com"}, Credentials: true, MaxAge: time.Hour}
	if diff := cmp.Diff(want, corsOptions(c.HTTP.CORS)); diff != "" {
		t.Errorf("options of the gateway (-want +got):\n%s", diff)
	}
	o := authOptions(&c, noPlatform{})
	if diff := cmp.Diff(want.Origins, o.TrustedOrigins); diff != "" || !o.TrustCookies {
		t.Errorf("options of auth: cookies %v, origins (-want +got):\n%s", o.TrustCookies, diff)
	}
}
