package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// requireBrowser is the variable of the environment that makes tests fail instead of
// skip if there is no browser.
const requireBrowser = "BROWSER_REQUIRED"

// browserPath returns the path of Chromium, and skips the test if there is none.
func browserPath(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("it takes several seconds")
	}
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	if os.Getenv(requireBrowser) != "" {
		t.Fatalf("%s is set, but Chromium is not installed", requireBrowser)
	}
	t.Skip("Chromium is not installed: apt-get install chromium")
	return ""
}

// A browserRig is a gateway with a tab of a browser. Everything that the browser
// reports or requests in the tab is recorded.
type browserRig struct {
	tab  context.Context
	base string // of the pages: http://127.0.0.1:PORT

	mu       sync.Mutex // guards requests and faults
	requests []string   // the URLs of all requests
	faults   []string   // errors of the console, exceptions, and violations of the policy
}

// browse runs the demonstration and opens a tab for its documentation.
func browse(t *testing.T) *browserRig {
	t.Helper()
	path := browserPath(t)
	return openTab(t, path, startDemo(t))
}

// openTab opens a tab for the pages at that base.
func openTab(t *testing.T, path, base string) *browserRig {
	t.Helper()
	rig := &browserRig{base: base}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU,
		// The allocator makes and removes the folder of the browser: processes of it may
		// write there after its end, which would make t.TempDir fail the test.
		// Chromium itself must not reach another host, either.
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"),
	)
	allocated, stop := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(stop)
	tab, closeTab := chromedp.NewContext(allocated)
	t.Cleanup(closeTab)
	if err := chromedp.Do(tab); err != nil { // starts the browser, which lives as long as tab
		t.Fatal(err)
	}
	limited, cancel := context.WithTimeout(tab, 10*time.Minute)
	t.Cleanup(cancel)
	rig.tab = limited
	if err := chromedp.Listen(limited, rig.record); err != nil {
		t.Fatal(err)
	}
	send(t, rig, network.Enable, network.EnableParams{})
	send(t, rig, log.Enable, cdp.Empty{})
	send(t, rig, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: watchPolicy})
	rig.prefer(t, "light")
	return rig
}

// prefer makes the browser prefer a color scheme, and no transitions: in the middle of
// one, a color is neither the old nor the new one.
func (b *browserRig) prefer(t *testing.T, scheme string) {
	t.Helper()
	send(t, b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"},
	}})
}

// send sends a command of the protocol to the tab.
func send[P, R any](t *testing.T, b *browserRig, command cdp.Command[P, R], params P) {
	t.Helper()
	b.do(t, chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, command, params)
		return err
	}))
}

// watchPolicy makes every violation of a policy an error of the console, and counts it.
const watchPolicy = `addEventListener("securitypolicyviolation", (e) => {
  console.error("policy: " + e.violatedDirective + " " + e.blockedURI);
  window.violations = (window.violations || 0) + 1;
});`

// startDemo runs the demonstration until the test ends, and returns the URL of its API.
func startDemo(t *testing.T) string {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	started, ended := make(chan string, 1), make(chan error, 1)
	go func() {
		d := &demo{api: "127.0.0.1:0", admin: "127.0.0.1:0", platform: "127.0.0.1:0"}
		ended <- runDemo(ctx, d, io.Discard, func(ctx context.Context, api, _, _ net.Addr) error {
			started <- "http://" + api.String()
			<-ctx.Done()
			return nil
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	select {
	case base := <-started:
		return base
	case err := <-ended:
		ended <- nil
		t.Fatal(err)
	}
	return ""
}

// record keeps an event of the tab.
func (b *browserRig) record(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		b.requests = append(b.requests, e.Request.URL)
	case *runtime.EventExceptionThrown:
		b.faults = append(b.faults, "exception: "+e.ExceptionDetails.Text)
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeWarning {
			var text []string
			for _, argument := range e.Args {
				text = append(text, string(argument.Value)+argument.Description)
			}
			b.faults = append(b.faults, "console: "+strings.Join(text, " "))
		}
	case *log.EventEntryAdded:
		// The status of a response is checked where the request is made.
		if e.Entry.Level == log.EntryLevelError && e.Entry.Source != log.EntrySourceNetwork {
			b.faults = append(b.faults, fmt.Sprintf("%s: %s", e.Entry.Source, e.Entry.Text))
		}
	}
}

// do carries out actions in the tab.
func (b *browserRig) do(t *testing.T, steps ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	if err := chromedp.Do(b.tab, steps...); err != nil {
		t.Fatal(err)
	}
}

// eval returns the value of an expression in the tab, and waits if it is a promise.
func eval[T any](t *testing.T, b *browserRig, expression string) T {
	t.Helper()
	value, err := chromedp.Run(b.tab, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		t.Fatal(err)
	}
	return value
}

// open opens a page, and waits for the viewer if it has one.
func (b *browserRig) open(t *testing.T, path string) {
	t.Helper()
	b.do(t, chromedp.Navigate("about:blank"), chromedp.Navigate(b.base+path),
		chromedp.WaitReady(chromedp.CSS("footer")), chromedp.Evaluate[chromedp.Void](helpers))
	if strings.HasPrefix(path, "/docs/reference/") {
		eval[bool](t, b, `until(() => document.querySelector("#viewer[data-ready] .opblock")).then(() => true)`)
	}
}

// helpers are functions of the tests in the page. until returns what a function returns
// as soon as that is true. It waits as long as the test may take: how fast a browser is
// depends on what else the machine does.
const helpers = `
window.until = async (found) => {
  for (;;) {
    const value = found();
    if (value) return value;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
};
`

// check requires that nothing was reported, and that all requests went to the gateway.
func (b *browserRig) check(t *testing.T) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, fault := range b.faults {
		t.Errorf("the browser reports: %s", fault)
	}
	for _, request := range b.requests {
		u, err := url.Parse(request)
		if err != nil || u.Scheme != "data" && u.Scheme != "about" && u.Scheme+"://"+u.Host != b.base {
			t.Errorf("a request leaves the gateway: %.100s", request)
		}
	}
	if len(b.requests) == 0 {
		t.Error("no request was recorded")
	}
}

// forget removes what was reported, and returns it.
func (b *browserRig) forget() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	faults := b.faults
	b.faults = nil
	return faults
}
