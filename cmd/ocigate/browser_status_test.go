//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"ocigate/config"
	"ocigate/gateway/status"
	"ocigate/oci/ocisim"
)

// These tests check the status page in a real browser, in states of a real gateway in
// front of the simulated platform. A new state is an entry in statusScenes.

// screenshots is the variable of the environment with the folder for pictures of the
// states. Without it, none are taken.
const screenshots = "STATUS_SCREENSHOTS"

// A statusScene is a state of a gateway, and what its page shows.
type statusScene struct {
	name    string
	prepare func(t *testing.T) *running
	shows   []string // parts of the text
}

func statusScenes() []statusScene {
	return []statusScene{
		{"healthy", healthyScene, []string{"All well", "in use", "unused and up", "every outcome is known"}},
		{"platform-down", downScene, []string{"No platform endpoint can be used.", "in backoff until", "0 of 2", "Last error:", "connection refused"}},
		{"writes-unknown", unknownScene, []string{"1 write has an unknown outcome for", "itc_numbers_assign", "ApioSpTest / ApioGrpTest", "+3225126999", "1 write, last"}},
	}
}

// twoEndpoints adds a second endpoint to a configuration.
func twoEndpoints(second string) func(*config.Config) {
	return func(c *config.Config) {
		e := c.Platform.Endpoints[0]
		e.Name, e.Address = "secondary", second
		c.Platform.Endpoints[0].Name = "primary"
		c.Platform.Endpoints = append(c.Platform.Endpoints, e)
		c.Platform.Pool.Min = 1
	}
}

// statusOf returns the status of a gateway.
func statusOf(t *testing.T, g *running) *status.Status {
	t.Helper()
	_, body := ask(t, http.MethodGet, "http://"+g.admin+"/status.json", "")
	var s status.Status
	if err := json.Unmarshal([]byte(body), &s); err != nil {
		t.Fatalf("%v:\n%s", err, body)
	}
	return &s
}

// waitForStatus waits for a state of a gateway.
func waitForStatus(t *testing.T, g *running, is func(*status.Status) bool) {
	t.Helper()
	waitFor(t, func() bool { return is(statusOf(t, g)) })
}

func healthyScene(t *testing.T) *running {
	t.Helper()
	g := start(t, newPlatform(t).Addr, twoEndpoints(newPlatform(t).Addr))
	for range 3 {
		ask(t, http.MethodGet, "http://"+g.api+"/api/v1"+writePath, "")
	}
	waitForStatus(t, g, func(s *status.Status) bool {
		return s.Platform.Endpoints[0].State == status.InUse && s.Platform.Endpoints[1].State == status.Unused && s.Requests.Total == 3
	})
	return g
}

func downScene(t *testing.T) *running {
	t.Helper()
	two := twoEndpoints(quietAddress(t))
	g := start(t, quietAddress(t), func(c *config.Config) {
		two(c)
		c.Platform.Backoff.Initial, c.Platform.Backoff.Max = 5*time.Minute, 5*time.Minute
	})
	waitForStatus(t, g, func(s *status.Status) bool {
		return s.Platform.Endpoints[0].State == status.Backoff && s.Platform.Endpoints[1].State == status.Backoff
	})
	return g
}

// unknownScene loses a write on its way, whose outcome stays unknown for minutes. Another
// write needs the same entry.
func unknownScene(t *testing.T) *running {
	t.Helper()
	platform := newPlatform(t)
	g := start(t, platform.Addr, func(c *config.Config) { c.Journal.Settle = 10 * time.Minute })
	fault, err := ocisim.ParseFault("drop-before-apply times=1 " + demoWrites)
	if err == nil {
		_, err = platform.Inject(fault)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []int{http.StatusGatewayTimeout, http.StatusConflict} {
		if got, body := ask(t, http.MethodPost, "http://"+g.api+"/api/v1"+writePath, writeBody); got != want {
			t.Fatalf("the write got %d, want %d: %s", got, want, body)
		}
	}
	return g
}

// TestBrowserShowsTheStatus opens the page in each state: it must show what is the case,
// without an error or a violation of its policy, and be readable on a phone and on a
// screen, in light and dark.
func TestBrowserShowsTheStatus(t *testing.T) {
	path := browserPath(t)
	for _, scene := range statusScenes() {
		t.Run(scene.name, func(t *testing.T) {
			g := scene.prepare(t)
			rig := openTab(t, path, "http://"+g.admin)
			rig.open(t, "/status?refresh=0")
			text := eval[string](t, rig, "document.body.innerText")
			for _, want := range scene.shows {
				if !strings.Contains(text, want) {
					t.Errorf("the page lacks %q:\n%s", want, text)
				}
			}
			for _, scheme := range []string{"light", "dark"} {
				rig.prefer(t, scheme)
				for _, width := range []int64{360, 1400} {
					rig.do(t, chromedp.EmulateViewport(width, 900))
					name := fmt.Sprintf("%s, %d wide", scheme, width)
					for _, low := range eval[[]string](t, rig, lowContrast) {
						t.Errorf("%s: too little contrast: %s", name, low)
					}
					for _, element := range eval[[]string](t, rig, wider) {
						t.Errorf("%s: the page must be scrolled sideways for %s", name, element)
					}
					rig.takePicture(t, fmt.Sprintf("%s-%s-%d.png", scene.name, scheme, width))
				}
			}
			rig.check(t)
		})
	}
}

// takePicture stores a picture of the complete page, if the environment has a folder.
func (b *browserRig) takePicture(t *testing.T, name string) {
	t.Helper()
	folder := os.Getenv(screenshots)
	if folder == "" {
		return
	}
	picture, err := chromedp.Run(b.tab, chromedp.FullScreenshot(100))
	if err == nil {
		err = os.WriteFile(filepath.Join(folder, name), picture, 0o600)
	}
	if err != nil {
		t.Error(err)
	}
}

// TestBrowserRefreshesTheStatus waits until the page has loaded itself again, opens the
// configuration, and uses the keyboard.
func TestBrowserRefreshesTheStatus(t *testing.T) {
	path := browserPath(t)
	g := start(t, newPlatform(t).Addr, nil)
	rig := openTab(t, path, "http://"+g.admin)
	rig.do(t, chromedp.Navigate(rig.base+"/"), chromedp.WaitReady(chromedp.CSS("footer")))
	if at := eval[string](t, rig, "location.pathname"); at != "/status" {
		t.Errorf("/ leads to %s", at)
	}
	rig.open(t, "/status?refresh=2&config=1#configuration") // a fragment must not prevent it
	if got := eval[string](t, rig, `document.querySelector("#configuration pre").textContent`); !strings.HasPrefix(got, "http:\n  listen:") || !strings.Contains(got, `hash: "[redacted]"`) {
		t.Errorf("the configuration is\n%s", got)
	}
	eval[bool](t, rig, `(document.title = "old", true)`)
	for deadline := time.Now().Add(time.Minute); ; {
		title, err := chromedp.Run(rig.tab, chromedp.Evaluate[string]("document.title"))
		if err == nil && strings.HasPrefix(title, "All well") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the page does not refresh itself")
		}
		time.Sleep(50 * time.Millisecond)
	}
	if at := eval[string](t, rig, "location.search"); at != "?refresh=2&config=1" {
		t.Errorf("after the refresh, the page is at %s", at)
	}
	rig.open(t, "/status?refresh=0")
	rig.tabTo(t, ".skip")
	rig.tabTo(t, `.refresh a[href="/status?refresh=5"]`)
	rig.tabTo(t, ".tiles a")
	rig.tabTo(t, "#configuration a")
	rig.check(t)
}
