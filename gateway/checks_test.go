package gateway_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"ocigate/gateway"
)

// The checks of readyz and livez. To add a case, add a request to the table: %s in the
// expected body is the failure of the journal.

const journalFails = "writes are refused because the journal has been unusable since 2000-01-01T00:00:00Z: bolt: full [-]ping failed"

func TestChecks(t *testing.T) {
	broken := func(a *gateway.Admin, j *journal, platform *string) {
		*j = journal{time.Now(), errors.New("bolt: full\n[-]ping failed")}
		*platform = "no endpoint can be reached:\r\n[-]ping failed\u2028" + strings.Repeat("x", 2000)
		a.SetReady(true)
		time.Sleep(time.Minute)
	}
	good := func(a *gateway.Admin, _ *journal, _ *string) { a.SetReady(true) }
	tests := map[string]struct {
		prepare func(*gateway.Admin, *journal, *string)
		path    string
		status  int
		body    string // without the newline at its end
	}{
		"before it serves":                 {nil, "/readyz", 503, "not ready"},
		"before it serves, verbose":        {nil, "/readyz?verbose", 503, "[+]ping ok\n[-]serving failed: not ready\n[+]shutdown ok\n[+]journal ok\n[+]platform ok (informative)\nreadyz check failed"},
		"ready":                            {good, "/readyz", 200, "ready"},
		"ready, verbose":                   {good, "/readyz?verbose", 200, "[+]ping ok\n[+]serving ok\n[+]shutdown ok\n[+]journal ok\n[+]platform ok (informative)\nreadyz check passed"},
		"draining, verbose":                {func(a *gateway.Admin, _ *journal, _ *string) { a.SetDraining() }, "/readyz?verbose=1", 503, "[+]ping ok\n[+]serving ok\n[-]shutdown failed: draining\n[+]journal ok\n[+]platform ok (informative)\nreadyz check failed"},
		"broken":                           {broken, "/readyz", 503, "not ready: writes are refused because the journal has been unusable since 2000-01-01T00:00:00Z: bolt: full\n[-]ping failed"},
		"broken, the journal excluded":     {broken, "/readyz?exclude=journal", 200, "ready"},
		"broken, something else excluded":  {broken, "/readyz?exclude=ping&exclude=platform", 503, "not ready: writes are refused because the journal has been unusable since 2000-01-01T00:00:00Z: bolt: full\n[-]ping failed"},
		"broken, verbose and one excluded": {broken, "/readyz?verbose&exclude=journal&exclude=platform", 200, "[+]ping ok\n[+]serving ok\n[+]shutdown ok\n[+]journal excluded: ok\n[+]platform excluded: ok\nreadyz check passed"},
		"an unknown check excluded":        {good, "/readyz?verbose&exclude=etcd&exclude=a%0Ab", 200, "[+]ping ok\n[+]serving ok\n[+]shutdown ok\n[+]journal ok\n[+]platform ok (informative)\nwarn: some health checks cannot be excluded: no matches for \"etcd\",\"a\\nb\"\nreadyz check passed"},
		"a check that passes":              {good, "/readyz/journal", 200, "ok"},
		"a check that fails":               {broken, "/readyz/journal", 503, "failed: " + journalFails},
		"a check that there is not":        {good, "/readyz/etcd", 404, "404 page not found"},
		"alive":                            {nil, "/livez", 200, "alive"},
		"alive, verbose":                   {nil, "/livez?verbose", 200, "[+]ping ok\nlivez check passed"},
		"alive, one check":                 {nil, "/livez/ping", 200, "ok"},
		"alive, a check of readyz":         {nil, "/livez/journal", 404, "404 page not found"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				j, platform := &journal{}, ""
				admin := gateway.NewAdmin(gateway.NewMetrics("test"))
				admin.FollowJournal(j, 10*time.Second)
				admin.Inform("platform", func() string { return platform })
				if test.prepare != nil {
					test.prepare(admin, j, &platform)
				}
				recorder := httptest.NewRecorder()
				admin.ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), http.MethodGet, test.path, nil))
				if got := recorder.Body.String(); recorder.Code != test.status || got != test.body+"\n" {
					t.Errorf("%d\n%s\nwant %d\n%s", recorder.Code, got, test.status, test.body)
				}
			})
		})
	}
	t.Run("an informative check that fails", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			j, platform := &journal{}, ""
			admin := gateway.NewAdmin(gateway.NewMetrics("test"))
			admin.FollowJournal(j, 10*time.Second)
			admin.Inform("platform", func() string { return platform })
			broken(admin, j, &platform)
			*j = journal{}
			get := func(path string) string {
				recorder := httptest.NewRecorder()
				admin.ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
				if recorder.Code != 200 {
					t.Errorf("%s: %d", path, recorder.Code)
				}
				return recorder.Body.String()
			}
			lines := strings.Split(get("/readyz?verbose"), "\n")
			if len(lines) != 7 || !strings.HasPrefix(lines[4], "[!]platform failed (informative): no endpoint can be reached:  [-]ping failed x") || len(lines[4]) > 1200 {
				t.Errorf("%q", lines)
			}
			if got := get("/readyz/platform"); !strings.HasPrefix(got, "failed (informative): no endpoint") {
				t.Errorf("%q", got)
			}
		})
	})
}
