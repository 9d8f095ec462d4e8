package config_test

import (
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ocigate/config"
)

// These tests specify which keys Diff reports and which keys need a restart. To add a
// difference, add an entry to the table of TestDiff. Every key of the configuration is
// covered by TestDiffCoversEveryKey.

func TestDiff(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*config.Config)
		want   []string
	}{
		"nothing": {func(*config.Config) {}, nil},
		"several keys, in the order of the keys": {func(c *config.Config) {
			c.Platform.Pool.Max++
			c.HTTP.Listen = ":1"
			c.Auth.Clients[1].Level = config.LevelSystem
			c.Auth.Clients[0].Hash = config.NewSecret("another")
		}, []string{"http.listen", "auth.clients[0].hash", "auth.clients[1].level", "platform.pool.max"}},
		"an entry of a list of values": {func(c *config.Config) { c.HTTP.CORS.Origins[2] = "https://x.example.com" }, []string{"http.cors.origins[2]"}},
		"an endpoint at the end":       {func(c *config.Config) { c.Platform.Endpoints = append(c.Platform.Endpoints, config.DefaultEndpoint()) }, []string{"platform.endpoints"}},
		"an endpoint less":             {func(c *config.Config) { c.Platform.Endpoints = c.Platform.Endpoints[1:] }, []string{"platform.endpoints"}},
		"two endpoints in another order": {func(c *config.Config) { slices.Reverse(c.Auth.OIDC.Claims.Levels) }, []string{
			"auth.oidc.claims.levels[0].value", "auth.oidc.claims.levels[0].level", "auth.oidc.claims.levels[1].value", "auth.oidc.claims.levels[1].level",
		}},
		"no list instead of two entries":    {func(c *config.Config) { c.API.PlatformErrors = nil }, []string{"api.platform_errors"}},
		"no secret instead of an empty one": {func(c *config.Config) { c.Auth.Clients[0].NextHash = config.NewSecret("") }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			before, after := fullConfig(), fullConfig()
			c.change(&after)
			if diff := cmp.Diff(c.want, config.Diff(&before, &after)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if diff := cmp.Diff(c.want, config.Diff(&after, &before)); diff != "" {
				t.Errorf("in the other direction (-want +got)\n%s", diff)
			}
		})
	}
}

func TestDiffComparesListsByTheirEntries(t *testing.T) {
	before, after := config.Default(), config.Default()
	after.HTTP.TrustedProxies = []netip.Prefix{}
	if got := config.Diff(&before, &after); got != nil {
		t.Errorf("an empty list and no list differ: %q", got)
	}
}

func TestDiffComparesSecretsByTextAndFile(t *testing.T) {
	folder := t.TempDir()
	load := func(password string) *config.Config {
		return parse(t, strings.Replace(minimal, `"word"`, password, 1), "WORD=word")
	}
	writeSecret(t, folder, "a", "word")
	writeSecret(t, folder, "b", "word\n")
	a, inFile := load(`{file: "`+filepath.Join(folder, "a")+`"}`), load(`"word"`)
	want := []string{"platform.password"}
	for name, c := range map[string]struct {
		other *config.Config
		want  []string
	}{
		"the same file":                        {load(`{file: "` + filepath.Join(folder, "a") + `"}`), nil},
		"another file with the same text":      {load(`{file: "` + filepath.Join(folder, "b") + `"}`), want},
		"the same text in the configuration":   {inFile, want},
		"the same text, from the environment ": {load("{env: WORD}"), want},
	} {
		if diff := cmp.Diff(c.want, config.Diff(a, c.other)); diff != "" {
			t.Errorf("%s (-want +got)\n%s", name, diff)
		}
	}
	if got := config.Diff(inFile, load("{env: WORD}")); got != nil {
		t.Errorf("the same text from the environment differs: %q", got)
	}
	if err := os.WriteFile(filepath.Join(folder, "a"), []byte("new word"), 0o600); err != nil {
		t.Fatal(err)
	}
	reread, _, err := a.Reread()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, config.Diff(a, reread)); diff != "" {
		t.Errorf("another text in the same file (-want +got)\n%s", diff)
	}
}

func TestDiffCoversEveryKey(t *testing.T) {
	unchanged, covered := fullConfig(), map[string]bool{}
	unchanged.Journal.Folder = "journal"
	full := func() *config.Config {
		c := fullConfig()
		c.Journal.Folder = "journal"
		return &c
	}
	var paths []string
	eachValue("", reflect.ValueOf(*full()), func(path string, _ reflect.Value) { paths = append(paths, path) })
	for _, path := range paths {
		changed := full()
		eachValue("", reflect.ValueOf(changed).Elem(), func(at string, value reflect.Value) {
			if at == path {
				change(t, value)
			}
		})
		if diff := cmp.Diff([]string{path}, config.Diff(&unchanged, changed)); diff != "" {
			t.Errorf("%s was changed (-want +got)\n%s", path, diff)
		}
		covered[anyIndex.ReplaceAllString(path, "[]")] = true
	}
	for _, s := range config.Reference() {
		if !covered[s.Path] && !covered[s.Path+"[]"] && s.Type != "a list of sections" {
			t.Errorf("%s was not changed: give it a value in fullConfig", s.Path)
		}
	}
}

var anyIndex = regexp.MustCompile(`\[[0-9]+\]`)

// eachValue calls f for each single value of a section, with its path. It does not use
// the package's own way through the structures.
func eachValue(path string, v reflect.Value, f func(path string, value reflect.Value)) {
	single := []reflect.Type{reflect.TypeFor[netip.Prefix](), reflect.TypeFor[config.Secret]()}
	switch {
	case v.Kind() == reflect.Struct && !slices.Contains(single, v.Type()):
		for i := range v.NumField() {
			if field := v.Type().Field(i); field.IsExported() {
				eachValue(strings.TrimPrefix(path+"."+field.Tag.Get("yaml"), "."), v.Field(i), f)
			}
		}
	case v.Kind() == reflect.Slice:
		for i := range v.Len() {
			eachValue(path+"["+strconv.Itoa(i)+"]", v.Index(i), f)
		}
	default:
		f(path, v)
	}
}

// change gives a value another one.
func change(t *testing.T, v reflect.Value) {
	t.Helper()
	switch v.Interface().(type) {
	case netip.Prefix:
		v.Set(reflect.ValueOf(netip.MustParsePrefix("192.0.2.0/24")))
		return
	case config.Secret:
		v.Set(reflect.ValueOf(config.NewSecret("another secret")))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(v.String() + "x")
	case reflect.Bool:
		v.SetBool(!v.Bool())
	case reflect.Int, reflect.Int64:
		v.SetInt(v.Int() + 1)
	case reflect.Float64:
		v.SetFloat(v.Float() + 1)
	default:
		t.Fatalf("this test cannot change a %s", v.Type())
	}
}

func TestKeysThatNeedARestart(t *testing.T) {
	for _, s := range config.Reference() {
		want := s.Path == "http.listen" || s.Path == "admin.listen" || strings.HasPrefix(s.Path, "journal.")
		if s.Restart != want || strings.HasSuffix(s.Doc, " Needs a restart.") != want {
			t.Errorf("%s needs a restart: %t, want %t; the reference says %q", s.Path, s.Restart, want, s.Doc)
		}
	}
	example := strings.Join(strings.Fields(strings.ReplaceAll(string(config.Example()), "#", "")), " ")
	_, journal, _ := strings.Cut(example, " journal: ")
	journal, _, _ = strings.Cut(journal, " platform: ")
	const sentence = " Needs a restart."
	keys := reflect.TypeFor[config.Journal]().NumField() - 1 + reflect.TypeFor[config.Audit]().NumField()
	if all, in := strings.Count(example, sentence), strings.Count(journal, sentence); all != in+2 || in != keys {
		t.Errorf("the example contains %q %d times, %d of them in the section of the journal", sentence, all, in)
	}
}

func TestKeepRestartKeys(t *testing.T) {
	running, next := fullConfig(), fullConfig()
	if got := next.KeepRestartKeys(&running); got != nil {
		t.Errorf("equal configurations differ: %q", got)
	}
	next.HTTP.Listen, next.Admin.Listen = ":1", ":2"
	next.HTTP.RequestTimeout += time.Second
	next.Journal.Store, next.Journal.Settle = config.StoreEmbedded, 2*time.Minute
	next.Journal.PostgresURL = config.NewSecret("postgres://other")
	next.Platform.Endpoints = next.Platform.Endpoints[:1]
	want := fullConfig()
	want.HTTP.RequestTimeout, want.Platform.Endpoints = next.HTTP.RequestTimeout, next.Platform.Endpoints
	kept := []string{"http.listen", "admin.listen", "journal.store", "journal.postgres_url", "journal.settle"}
	if diff := cmp.Diff(kept, next.KeepRestartKeys(&running)); diff != "" {
		t.Errorf("keys (-want +got)\n%s", diff)
	}
	if diff := cmp.Diff(want, next, same); diff != "" {
		t.Errorf("configuration (-want +got)\n%s", diff)
	}
	if unchanged := fullConfig(); len(config.Diff(&running, &unchanged)) > 0 {
		t.Error("the running configuration has changed")
	}
}
