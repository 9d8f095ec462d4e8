package main

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ocigate/config"
	"ocigate/gateway"
	"ocigate/gateway/auth"
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

func TestAudienceOfTokens(t *testing.T) {
	c := config.Default()
	if got := authOptions(&c, noPlatform{}).Audience; got != "ocigate" {
		t.Errorf("by default the audience is %q", got)
	}
	c.Auth.Tokens.Audience = "staging"
	if got := authOptions(&c, noPlatform{}).Audience; got != "staging" {
		t.Errorf("the audience is %q", got)
	}
}

func TestCallerLimits(t *testing.T) {
	c := config.Default()
	c.Auth.Clients = []config.Client{{ID: "a"}, {ID: "b", Limit: config.CallerLimit{PerSecond: 0.5, Burst: 3}}}
	want := gateway.CallerLimits{Clients: map[string]gateway.CallerLimit{"b": {PerSecond: 0.5, Burst: 3}}}
	if diff := cmp.Diff(want, callerLimits(&c)); diff != "" {
		t.Errorf("without a limit of all callers (-want +got):\n%s", diff)
	}
	c.HTTP.CallerLimit = config.CallerLimit{PerSecond: 10, Burst: 50}
	want.Each = gateway.CallerLimit{PerSecond: 10, Burst: 50}
	if diff := cmp.Diff(want, callerLimits(&c)); diff != "" {
		t.Errorf("with a limit of all callers (-want +got):\n%s", diff)
	}
}

func TestThrottleOptions(t *testing.T) {
	c := config.Default()
	c.Auth.Throttle = config.Throttle{
		FreeAttempts: 3, BaseDelay: 2 * time.Second, MaxDelay: time.Minute, Remembered: 200,
		AccountLogins: config.LoginLimit{PerSecond: 0.5, Burst: 6}, AddressLogins: config.LoginLimit{PerSecond: 7, Burst: 80},
		Concurrent: 9,
	}
	got := authOptions(&c, noPlatform{})
	want := auth.Options{
		AccountLimit:  auth.Limit{FreeAttempts: 3, BaseDelay: 2 * time.Second, MaxDelay: time.Minute, Records: 200},
		AddressLimit:  auth.Limit{FreeAttempts: 30, BaseDelay: 2 * time.Second, MaxDelay: time.Minute, Records: 200},
		AccountLogins: auth.LoginLimit{PerSecond: 0.5, Burst: 6}, AddressLogins: auth.LoginLimit{PerSecond: 7, Burst: 80},
		LoginConcurrency: 9,
	}
	if got.AccountLimit != want.AccountLimit || got.AddressLimit != want.AddressLimit || got.AccountLogins != want.AccountLogins ||
		got.AddressLogins != want.AddressLogins || got.LoginConcurrency != want.LoginConcurrency {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestBothHashesOfAClientAreUsed(t *testing.T) {
	c := config.Default()
	c.Auth.Clients = []config.Client{{ID: "a", Hash: config.NewSecret("first"), NextHash: config.NewSecret("second"), Level: config.LevelSystem}}
	got := authOptions(&c, noPlatform{}).Clients[0]
	if got.Hash != "first" || got.NextHash != "second" {
		t.Errorf("the hashes are %q and %q", string(got.Hash), string(got.NextHash))
	}
}
