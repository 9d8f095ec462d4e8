package docs_test

// This file specifies what the pages say: that they agree with the tables of routes and
// errors. A new route or error needs nothing here.

import (
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"ocigate/gateway"
	"ocigate/gateway/auth"
	"ocigate/gateway/docs"
	"ocigate/translate/errcode"
)

var (
	tag     = regexp.MustCompile(`<[^>]*>`)
	example = regexp.MustCompile(`(?s)<pre tabindex="0"><code>(.*?)</code></pre>`)
)

// words returns the text of a page as a reader sees it, with single blanks.
func words(text string) string {
	return strings.Join(strings.Fields(html.UnescapeString(tag.ReplaceAllString(text, ""))), " ")
}

func TestEveryErrorHasAPage(t *testing.T) {
	h := docs.New(docs.Options{})
	for code := range errcode.All() {
		response := get(t, h, "/docs/errors/"+code.Name+"/")
		raw := textOf(t, response)
		text := words(raw)
		if response.StatusCode != http.StatusOK {
			t.Errorf("%s: status %d", code.Name, response.StatusCode)
			continue
		}
		for _, part := range []string{code.Name, code.Text, code.Help, strconv.Itoa(code.Status), strconv.Itoa(code.Number)} {
			if !strings.Contains(text, part) {
				t.Errorf("%s: the page lacks %q", code.Name, part)
			}
		}
		for _, party := range code.FixedBy {
			if !strings.Contains(text, string(party)) {
				t.Errorf("%s: the page does not name %s", code.Name, party)
			}
		}
		checkExamples(t, code, raw)
		for _, route := range gateway.Table() {
			returned := false
			for _, e := range route.Errors() {
				returned = returned || e == code
			}
			listed := strings.Contains(text, route.Method+" "+route.FullPath()+" ")
			common := strings.Contains(text, "Every route.")
			if returned != listed && !common {
				t.Errorf("%s: the page lists %s: %v, the route returns it: %v", code.Name, route.Name, listed, returned)
			}
		}
	}
}

// checkExamples requires that the page has an example of the error in both forms.
func checkExamples(t *testing.T, code *errcode.Code, page string) {
	t.Helper()
	examples := example.FindAllStringSubmatch(page, -1)
	if len(examples) != 2 {
		t.Errorf("%s: the page has %d examples", code.Name, len(examples))
		return
	}
	var plain struct {
		Errors []struct {
			Code int    `json:"code"`
			Name string `json:"name"`
		} `json:"errors"`
	}
	var problem struct {
		Type   string `json:"type"`
		Status int    `json:"status"`
		Code   int    `json:"code"`
	}
	if err := json.Unmarshal([]byte(html.UnescapeString(examples[0][1])), &plain); err != nil || len(plain.Errors) != 1 ||
		plain.Errors[0].Code != code.Number || plain.Errors[0].Name != code.Name {
		t.Errorf("%s: the first example is of another form or error (%v):\n%s", code.Name, err, examples[0][1])
	}
	if err := json.Unmarshal([]byte(html.UnescapeString(examples[1][1])), &problem); err != nil ||
		problem.Type != "/docs/errors/"+code.Name+"/" || problem.Status != code.Status || problem.Code != code.Number {
		t.Errorf("%s: the second example is of another form or error (%v):\n%s", code.Name, err, examples[1][1])
	}
}

// The promise of an error page is that of its status.
func TestErrorPagesPromiseWhatTheStatusDoes(t *testing.T) {
	h := docs.New(docs.Options{})
	for code, want := range map[*errcode.Code]string{
		errcode.InvalidParameters:   "Not done Nothing was changed",
		errcode.RateLimited:         "Not done Nothing was changed",
		errcode.PlatformUnavailable: "Not done Nothing was changed",
		errcode.OutcomeUnknown:      "Unknown The request was sent and its reply was lost",
		errcode.PlatformError:       "Unknown, or done in part The request was sent",
		errcode.PartlyDone:          "Done in part A part was changed",
		errcode.RequestRunning:      "Not sent a second time",
		errcode.Internal:            "Unknown The gateway failed, which promises nothing",
		errcode.PlatformTimeout:     "Nothing: only reads return it",
	} {
		if text := words(textOf(t, get(t, h, "/docs/errors/"+code.Name+"/"))); !strings.Contains(text, want) {
			t.Errorf("%s: the page does not say %q:\n%s", code.Name, want, text)
		}
	}
}

func TestRightsAreThoseOfTheRoutes(t *testing.T) {
	raw := textOf(t, get(t, docs.New(docs.Options{}), "/docs/rights/"))
	rows := map[string][]string{}
	for _, row := range regexp.MustCompile(`(?s)<th scope="row"><code><b>(\w+)</b> ([^<]*)</code><span>([^<]*)</span></th>(.*?)</tr>`).FindAllStringSubmatch(raw, -1) {
		for _, cell := range regexp.MustCompile(`<td[^>]*>([^<]*)</td>`).FindAllStringSubmatch(row[4], -1) {
			key := row[1] + " " + row[2] + " " + html.UnescapeString(row[3])
			rows[key] = append(rows[key], cell[1])
		}
	}
	for _, route := range gateway.Table() {
		path := strings.TrimPrefix(route.FullPath(), gateway.Route{Scope: route.Scope}.FullPath())
		cells := rows[route.Method+" "+path+" "+route.Summary]
		if len(cells) != len(auth.Levels()) {
			t.Errorf("%s has %d cells", route.Name, len(cells))
			continue
		}
		for i, level := range auth.Levels() {
			want := "no"
			switch {
			case route.Session != nil:
				want = "everyone"
			case level >= route.Level:
				want = "yes"
			case route.Self && level == auth.EndUser:
				want = "themself"
			}
			if cells[i] != want {
				t.Errorf("%s, %s: the page says %q, want %q", route.Name, level, cells[i], want)
			}
		}
	}
}

func TestLimitsAreThoseOfTheCode(t *testing.T) {
	raw := textOf(t, get(t, docs.New(docs.Options{MaxBodyBytes: 3 << 20, MaxEntries: 2500}), "/docs/limits/"))
	text := words(strings.ReplaceAll(raw, "</td><td>", " ")) // a cell is not a word
	for _, want := range []string{
		"Body of a request 3 MiB", "in all its lists together 2,500,", fmt.Sprintf("Body of a login %d KiB", gateway.SessionBodyBytes>>10),
		fmt.Sprintf("1 to %d visible ASCII characters", gateway.MaxKeyLength), "tenant_id in a path 1 to 30 characters",
		"body numbers 1 to 10,000 entries", "body numbers[].maxPhoneNumber 1 to", "query limit 1 to 1,000", "query dry_run true or false",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the page lacks %q:\n%s", want, text)
		}
	}
}

// TestListsDescribeEveryParameter requires that the page of lists names each parameter of
// each list, itself or by the pattern of its comparisons.
func TestListsDescribeEveryParameter(t *testing.T) {
	raw := textOf(t, get(t, docs.New(docs.Options{}), "/docs/lists/"))
	comparison := regexp.MustCompile(`^(?:in)?sensitive(\w+?)(?:Starts|Contains|Equals)$`)
	found := 0
	for _, route := range gateway.Table() {
		if route.Change != nil || route.Name == "operations_list" {
			continue
		}
		for _, p := range route.Describe().Params {
			name := comparison.ReplaceAllString(p.Name, "{sensitive|insensitive}$1{Starts|Contains|Equals}")
			if !strings.Contains(raw, ">"+name+"</code>") {
				t.Errorf("%s: the page lacks %s", route.Name, name)
			}
			found++
		}
	}
	if found == 0 {
		t.Error("no list has parameters")
	}
}

func TestLifetimesAreThoseOfTheGateway(t *testing.T) {
	set := docs.Options{Lifetimes: docs.Lifetimes{Token: 90 * time.Second, Key: 24 * time.Hour, Operation: 720 * time.Hour}}
	for path, texts := range map[string][2]string{
		"login/":       {"in seconds; at this gateway it is 90 s. There is no refresh", "in seconds. There is no refresh"},
		"idempotency/": {"A key identifies its request for 24 hours, a setting of this gateway. A key belongs", ". A key belongs"},
		"operations/":  {"was not done. An operation can be read for 30 days, a setting of this gateway.", "was not done. States"},
	} {
		for i, o := range []docs.Options{set, {}} {
			if text := words(textOf(t, get(t, docs.New(o), "/docs/"+path))); !strings.Contains(text, texts[i]) {
				t.Errorf("%s lacks %q:\n%s", path, texts[i], text)
			}
		}
	}
}

// However many hosts a client names, the memory for rendered pages is bounded.
func TestHostsDoNotFillTheMemory(t *testing.T) {
	h := docs.New(docs.Options{})
	for i := range 3 * docs.MaxRendered / 2 {
		r := httptest.NewRequest(http.MethodGet, "/docs/writes/", nil)
		r.Host = fmt.Sprintf("host-%d.example.com", i)
		if response := serve(h, r); response.StatusCode != http.StatusOK {
			t.Fatalf("status %d", response.StatusCode)
		}
	}
	if kept := docs.Kept(h); kept == 0 || kept > docs.MaxRendered {
		t.Errorf("%d pages are kept", kept)
	}
}

// color finds a declaration of a color in a style sheet.
var color = regexp.MustCompile(`--([a-z-]+): #([0-9a-f]{6});`)

// TestColorsHaveContrast computes the contrast of each text color with each of its
// grounds, by WCAG 2.2, in light and in dark. The diagram has no other check.
func TestColorsHaveContrast(t *testing.T) {
	sheet, err := os.ReadFile("assets/style.css")
	if err != nil {
		t.Fatal(err)
	}
	light, dark, found := strings.Cut(string(sheet), "@media (prefers-color-scheme: dark)")
	if !found {
		t.Fatal("there are no dark colors")
	}
	for name, part := range map[string]string{"light": light, "dark": dark} {
		colors := map[string]float64{}
		for _, c := range color.FindAllStringSubmatch(part, -1) {
			colors[c[1]] = luminance(t, c[2])
		}
		for text, grounds := range map[string][]string{
			"text": {"page", "raised", "done-ground", "notdone-ground", "unknown-ground"}, "muted": {"page", "raised"}, "link": {"page", "raised"},
			"done": {"page", "done-ground"}, "notdone": {"notdone-ground"}, "unknown": {"unknown-ground"}, "focus": {"page", "raised"},
		} {
			for _, ground := range grounds {
				a, b := colors[text], colors[ground]
				if ratio := (max(a, b) + 0.05) / (min(a, b) + 0.05); ratio < 4.5 {
					t.Errorf("%s: %s on %s has the contrast %.2f", name, text, ground, ratio)
				}
			}
		}
	}
}
