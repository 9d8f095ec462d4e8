package config_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"ocigate/config"
)

// These tests specify what Print, Example and Reference write. The generated files in
// assets are written again by `make generate`.

var update = flag.Bool("update", false, "rewrite the files that are generated")

func TestPrint(t *testing.T) {
	for _, path := range files(t, "good") {
		t.Run("writes "+name(path)+" so that it can be loaded again", func(t *testing.T) {
			c, err := config.Load(path, environ)
			if err != nil {
				t.Fatal(err)
			}
			checkPrinted(t, c)
		})
	}
	t.Run("writes durations with units and keys in their order", func(t *testing.T) {
		c := minimalConfig()
		c.HTTP.IdleTimeout, c.HTTP.ReadTimeout, c.HTTP.WriteTimeout = time.Hour, 90*time.Second, 10*time.Minute
		const want = `http:
  listen: "127.0.0.1:8080"
  tls:
    cert_file: ""
    key_file: ""
  read_header_timeout: 5s
  read_timeout: 1m30s
  write_timeout: 10m
  idle_timeout: 1h
`
		if got := printed(t, &c); !strings.HasPrefix(got, want) {
			t.Errorf("got\n%s", got)
		}
	})
	t.Run("redacts secrets", func(t *testing.T) {
		c := fullConfig()
		got := printed(t, &c)
		for _, s := range secretsOf(&c) {
			if s.IsSet() && strings.Contains(got, s.Reveal()) {
				t.Errorf("%q is printed", s.Reveal())
			}
		}
	})
}

func printed(t *testing.T, c *config.Config) string {
	t.Helper()
	var b bytes.Buffer
	if err := c.Print(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// secretsOf returns the secrets of a configuration in the order of printing.
func secretsOf(c *config.Config) []config.Secret {
	var list []config.Secret
	for _, k := range c.Auth.Tokens.Keys {
		list = append(list, k.Secret)
	}
	for _, client := range c.Auth.Clients {
		list = append(list, client.Hash, client.NextHash)
	}
	list = append(list, c.Journal.PostgresURL)
	for _, e := range c.Platform.Endpoints {
		list = append(list, e.Password)
	}
	return append(list, c.Platform.Password)
}

// checkPrinted puts the secrets back into the printed configuration, and checks that
// it is the same configuration after loading.
func checkPrinted(t *testing.T, c *config.Config) {
	t.Helper()
	raw := printed(t, c)
	for _, s := range secretsOf(c) {
		if !s.IsSet() {
			continue
		}
		quoted, err := yaml.Marshal(&yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Style: yaml.DoubleQuotedStyle, Value: s.Reveal()})
		if err != nil {
			t.Fatal(err)
		}
		raw = strings.Replace(raw, `"[redacted]"`, strings.ReplaceAll(strings.TrimSpace(string(quoted)), "\n", " "), 1)
	}
	again, err := config.Parse([]byte(raw), nil, nil)
	if err != nil {
		t.Fatalf("%v\n%s", err, raw)
	}
	if diff := cmp.Diff(c, again, same); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// commentedOut matches the commented lines of the example that are YAML. Lines of
// prose have only one blank after the "#" in the first column.
var commentedOut = regexp.MustCompile(`(?m)^#(  )`)

// TestGenerated compares the files in assets with their sources, or writes them
// again with -update.
func TestGenerated(t *testing.T) {
	var reference bytes.Buffer
	reference.WriteString("# Every key of the configuration\n\n" +
		"Made from the structures of package config; `make generate` writes it again.\n\n")
	if err := config.WriteReference(&reference); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string][]byte{
		"ocigate.yaml": config.Example(), "reference.md": reference.Bytes(), "man/ocigate.yaml.5": manualPage(),
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join("assets", name)
			if *update {
				if err := os.WriteFile(path, want, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			file, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(file)); diff != "" {
				t.Errorf("run make generate (-want +got)\n%s", diff)
			}
		})
	}
}

func TestExample(t *testing.T) {
	t.Run("contains the defaults", func(t *testing.T) {
		want := minimalConfig()
		want.Platform.Password = config.NewSecret("word of the platform")
		if diff := cmp.Diff(&want, parse(t, string(config.Example()), environ...), same); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	})
	t.Run("has an entry to copy for every list, and every key", func(t *testing.T) {
		full := commentedOut.ReplaceAll(config.Example(), []byte("$1"))
		c := parse(t, string(full), environ...)
		for _, n := range []int{len(c.HTTP.TrustedProxies), len(c.HTTP.CORS.Origins), len(c.API.PlatformErrors), len(c.Auth.Tokens.Keys), len(c.Auth.Clients), len(c.Platform.Endpoints)} {
			if n != 1 {
				t.Errorf("a list has %d entries, want 1", n)
			}
		}
		var root yaml.Node
		if err := yaml.Unmarshal(full, &root); err != nil {
			t.Fatal(err)
		}
		present := map[string]bool{}
		collect(present, "", root.Content[0])
		for _, s := range config.Reference() {
			if !present[s.Path] {
				t.Errorf("%s is not in the example", s.Path)
			}
		}
	})
	t.Run("documents every key and its default", func(t *testing.T) {
		text := strings.Join(strings.Fields(strings.ReplaceAll(string(config.Example()), "#", "")), " ")
		for _, s := range config.Reference() {
			if !strings.Contains(text, s.Doc) || s.Default != "required" && !strings.Contains(text, "Default: "+s.Default+".") {
				t.Errorf("the example does not document %s", s.Path)
			}
		}
	})
}

// collect adds the paths of all keys, with "[]" for every index.
func collect(present map[string]bool, path string, n *yaml.Node) {
	present[path] = true
	switch n.Kind {
	case yaml.MappingNode:
		for i := 0; i < len(n.Content); i += 2 {
			collect(present, strings.TrimPrefix(path+"."+n.Content[i].Value, "."), n.Content[i+1])
		}
	case yaml.SequenceNode:
		for _, entry := range n.Content {
			collect(present, path+"[]", entry)
		}
	}
}

func TestReference(t *testing.T) {
	list := config.Reference()
	t.Run("describes every key", func(t *testing.T) {
		key := regexp.MustCompile(`^[a-z][a-z0-9_]*(\[\])?(\.[a-z][a-z0-9_]*(\[\])?)*$`)
		paths, variables := map[string]bool{}, map[string]bool{}
		for _, s := range list {
			if !key.MatchString(s.Path) || paths[s.Path] {
				t.Errorf("%s: not a path, or there more than once", s.Path)
			}
			if s.Variable != "" && variables[s.Variable] {
				t.Errorf("%s: %s belongs also to another key", s.Path, s.Variable)
			}
			if !strings.HasSuffix(s.Doc, ".") || s.Type == "" || s.Default == "" {
				t.Errorf("%s: not described: %+v", s.Path, s)
			}
			if strings.Contains(s.Doc+s.Limits+s.Type+s.Default, "|") {
				t.Errorf("%s: does not fit into a table: %+v", s.Path, s)
			}
			paths[s.Path], variables[s.Variable] = true, true
		}
	})
	t.Run("has as many keys as the structures have values", func(t *testing.T) {
		if want := countValues(reflect.TypeFor[config.Config]()); len(list) != want {
			t.Errorf("%d keys, want %d", len(list), want)
		}
	})
	t.Run("has path, variable, type, default and limits", func(t *testing.T) {
		want := map[string]config.Setting{
			"platform.pool.jitter":             {Variable: "OCIGATE_PLATFORM_POOL_JITTER", Type: "a number", Default: "0.1", Limits: "from 0 to 0.5"},
			"auth.clients[].level":             {Type: "a string", Default: "required", Limits: "system, tenant or group"},
			"platform.endpoints":               {Type: "a list of sections", Default: "required"},
			"http.trusted_proxies":             {Type: "a list, each entry a CIDR without host bits, such as 10.0.0.0/8", Default: "none"},
			"platform.endpoints[].tls.enabled": {Type: "true or false", Default: "true"},
			"platform.password":                {Variable: "OCIGATE_PLATFORM_PASSWORD", Type: "a string, {env: NAME}, {file: NAME} or {credential: NAME}", Default: "none"},
		}
		for _, got := range list {
			if w, ok := want[got.Path]; ok {
				w.Path, w.Doc = got.Path, got.Doc
				if diff := cmp.Diff(w, got); diff != "" {
					t.Errorf("(-want +got)\n%s", diff)
				}
				delete(want, got.Path)
			}
		}
		if len(want) > 0 {
			t.Errorf("missing: %v", want)
		}
	})
	t.Run("is written as a table", func(t *testing.T) {
		var b bytes.Buffer
		if err := config.WriteReference(&b); err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSpace(b.String()), "\n")
		if len(lines) != len(list)+2 {
			t.Errorf("%d lines for %d keys", len(lines), len(list))
		}
		for _, line := range lines {
			if strings.Count(line, "|") != 6 {
				t.Errorf("not five cells: %s", line)
			}
		}
	})
}

// countValues counts the fields that are not sections, including those of the
// entries of lists.
func countValues(t reflect.Type) int {
	n := 0
	for f := range t.Fields() {
		if !f.IsExported() {
			continue
		}
		entry := f.Type
		if entry.Kind() == reflect.Slice {
			n++
			entry = entry.Elem()
		}
		switch {
		case entry.Kind() == reflect.Struct && entry.PkgPath() == t.PkgPath() && entry != reflect.TypeFor[config.Secret]():
			n += countValues(entry)
		case entry == f.Type:
			n++
		}
	}
	return n
}
