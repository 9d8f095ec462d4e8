//go:build linux

package main

import (
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"ocigate/config"
	"ocigate/oci/ocisim"
)

// Faults of the platform and of the sessions with it, which provoke alerts.

// lists are paths whose requests read different tables, so that none shares the reply to
// another one.
var lists = []string{
	itc("ApioSpTest", "ApioGrpTest", "numbers"), itc("ApioSpTest", "ApioGrpTest", "prefixes"),
	itc("ApioSpTest", "ApioGrpOther", "numbers"), itc("ApioSpTest", "ApioGrpOther", "prefixes"),
	itc("footenant", "foogroup", "numbers"), itc("footenant", "foogroup", "prefixes"),
}

// numbersCommand is the command that reads the numbers of a group.
const numbersCommand = "GroupRouteListEnterpriseTrunkNumberRangeGetSummaryListRequest"

// begin starts the gateway of a fault in front of a platform.
func (f *faultRun) begin(platform string, change func(*config.Config)) string {
	f.Helper()
	f.gateway = start(f.T, platform, func(c *config.Config) {
		c.Platform.Backoff.Initial, c.Platform.Backoff.Max = 100*time.Millisecond, 200*time.Millisecond
		c.Platform.Pool.ProbeUnused = time.Second
		// To verify a secret would take most of the time of a busy machine.
		c.Auth.VerifiedFor = time.Minute
		for i := range c.Auth.Clients {
			c.Auth.Clients[i].Hash = config.NewSecret(campaignHash())
		}
		if change != nil {
			change(c)
		}
	})
	return f.gateway.admin
}

// inject injects a fault, by its text.
func (f *faultRun) inject(platform *ocisim.Server, text string) *ocisim.Injection {
	f.Helper()
	fault, err := ocisim.ParseFault(text)
	if err != nil {
		f.Fatal(err)
	}
	injection, err := platform.Inject(fault)
	if err != nil {
		f.Fatal(err)
	}
	return injection
}

const loginPath = "/login/"

// callers is the client of all requests that faults make.
var callers = &http.Client{Timeout: wellAgain, Transport: &http.Transport{DisableKeepAlives: true}}

// call makes a request, as the client of level system unless it is a login. It returns the
// status, or 0: the response of a gateway with a fault may be anything.
func (f *faultRun) call(method, path, body string, header ...string) (status int) {
	request, err := http.NewRequestWithContext(f.Context(), method, "http://"+f.gateway.api+"/api/v1"+path, strings.NewReader(body))
	if err != nil {
		return 0
	}
	if path != loginPath {
		request.SetBasicAuth("portal", campaignSecret)
	}
	for i := 0; i+1 < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	response, err := callers.Do(request)
	if err != nil {
		return 0
	}
	_ = response.Body.Close()
	return response.StatusCode
}

// withSecondary returns a change of a configuration that adds a second endpoint.
func withSecondary(second *ocisim.Server) func(*config.Config) {
	return func(c *config.Config) {
		endpoint := c.Platform.Endpoints[0]
		endpoint.Name, endpoint.Address = "secondary", second.Addr
		c.Platform.Endpoints = append(c.Platform.Endpoints, endpoint)
	}
}

// refusing is a fault of a platform that refuses connections and ends those that it has.
func refusing(alerts []string, change func(f *faultRun) func(*config.Config)) alertFault {
	var platform *ocisim.Server
	return alertFault{
		name: "an endpoint refuses connections", alerts: alerts,
		begin: func(f *faultRun) string {
			platform = newPlatform(f.T)
			return f.begin(platform.Addr, change(f))
		},
		provoke: func(f *faultRun) func() {
			refuse := f.inject(platform, "refuse")
			platform.Restart()
			stop := f.repeat(200*time.Millisecond, func() { f.call(http.MethodGet, lists[0], "") })
			return func() { refuse.Remove(); stop() }
		},
	}
}

func platformFaults() []alertFault {
	return []alertFault{
		refusing([]string{"OcigatePlatformDown"}, func(*faultRun) func(*config.Config) { return nil }),
		refusing([]string{"OcigatePlatformEndpointDown"}, func(f *faultRun) func(*config.Config) { return withSecondary(newPlatform(f.T)) }),
		backoffFault(), slowEndpointFault(), accountFault(), releaseFault(),
		lostFault(), refusedReplyFault(), busyFault(),
	}
}

// backoffFault is a platform that permits one session.
func backoffFault() alertFault {
	var refuse *ocisim.Injection
	return alertFault{
		name: "the platform refuses a second session", alerts: []string{"OcigatePlatformEndpointInBackoff"},
		begin: func(f *faultRun) string {
			platform := newPlatform(f.T)
			refuse = f.inject(platform, "refuse skip=1")
			return f.begin(platform.Addr, func(c *config.Config) {
				c.Platform.Pool.Min = 2
				c.Platform.Backoff.Initial, c.Platform.Backoff.Max = 2*time.Second, 2*time.Second
			})
		},
		provoke: func(*faultRun) func() { return refuse.Remove },
	}
}

// slowEndpointFault is an endpoint that answers far more slowly than another one.
func slowEndpointFault() alertFault {
	var primary *ocisim.Server
	return alertFault{
		name: "an endpoint is slow", alerts: []string{"OcigatePlatformEndpointSlow"},
		begin: func(f *faultRun) string {
			primary = newPlatform(f.T)
			return f.begin(primary.Addr, func(c *config.Config) {
				withSecondary(newPlatform(f.T))(c)
				c.Platform.Pool.SlowAfter = 50 * time.Millisecond
			})
		},
		provoke: func(f *faultRun) func() {
			slow := f.inject(primary, "slow delay=1s")
			f.repeat(200*time.Millisecond, func() { f.call(http.MethodGet, lists[0], "") })
			return slow.Remove
		},
	}
}

// accountFault is a password that is wrong at first.
func accountFault() alertFault {
	var file string
	return alertFault{
		name: "the password is wrong", alerts: []string{"OcigatePlatformAccountRefused"},
		begin: func(f *faultRun) string {
			file = filepath.Join(f.TempDir(), "password")
			writeText(f.T, file, "not-the-password\n")
			return f.begin(newPlatform(f.T).Addr, func(c *config.Config) { c.Platform.Password = readSecret(f.T, file) })
		},
		provoke: func(f *faultRun) func() {
			return func() { writeText(f.T, file, "gateway-demo\n") }
		},
	}
}

// releaseFault is a platform that refuses the command for its version.
func releaseFault() alertFault {
	var platform *ocisim.Server
	var refuse *ocisim.Injection
	return alertFault{
		name: "the platform does not say its release", alerts: []string{"OcigatePlatformReleaseUnknown"},
		begin: func(f *faultRun) string {
			platform = newPlatform(f.T)
			refuse = f.inject(platform, "error-before-apply command=*VersionGet*")
			return f.begin(platform.Addr, nil)
		},
		provoke: func(*faultRun) func() {
			return func() { refuse.Remove(); platform.Restart() }
		},
	}
}

// lostFault is a device that ends connections while commands are carried out.
func lostFault() alertFault {
	var platform *ocisim.Server
	return alertFault{
		name: "commands get no reply", alerts: []string{"OcigatePlatformCommandsLost"},
		begin: func(f *faultRun) string {
			platform = newPlatform(f.T)
			return f.begin(platform.Addr, nil)
		},
		provoke: func(f *faultRun) func() {
			drop := f.inject(platform, "drop-before-apply command="+numbersCommand)
			stop := f.repeat(200*time.Millisecond, func() { f.call(http.MethodGet, lists[0], "") })
			return func() { drop.Remove(); stop() }
		},
	}
}

func refusedReplyFault() alertFault {
	var platform *ocisim.Server
	return alertFault{
		name: "a reply is not XML", alerts: []string{"OcigatePlatformRepliesRefused"},
		begin: func(f *faultRun) string {
			platform = newPlatform(f.T)
			return f.begin(platform.Addr, nil)
		},
		provoke: func(f *faultRun) func() {
			garbage := f.inject(platform, "garbage command="+numbersCommand+" times=1")
			f.call(http.MethodGet, lists[0], "")
			return garbage.Remove
		},
	}
}

// busyFault is a platform that needs two seconds for a list, with one session and six callers.
func busyFault() alertFault {
	var platform *ocisim.Server
	return alertFault{
		name:   "the platform is slow, and all sessions are in use",
		alerts: []string{"OcigateRequestsShed", "OcigateSessionsBusy", "OcigateSessionWaits", "OcigateRequestsSlow", "OcigatePlatformErrors"},
		begin: func(f *faultRun) string {
			platform = newPlatform(f.T)
			return f.begin(platform.Addr, func(c *config.Config) {
				c.Platform.Pool.Max, c.Platform.Pool.Wait = 1, 3*time.Second
			})
		},
		provoke: func(f *faultRun) func() {
			slow := f.inject(platform, "slow command=*RouteList*Get* delay=2s")
			var stops sync.WaitGroup
			var all []func()
			for _, path := range lists {
				all = append(all, f.repeat(200*time.Millisecond, func() { f.call(http.MethodGet, path, "") }))
			}
			return func() {
				slow.Remove()
				for _, stop := range all {
					stops.Go(stop)
				}
				stops.Wait()
			}
		},
	}
}
