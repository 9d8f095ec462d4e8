package assets_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"ocigate/config"
)

// These tests specify the Helm chart as its files have it. Those in helm_test.go specify
// what Helm makes of it.

const chart = "helm/ocigate"

// chartHas reports whether the chart has a copy of a file of another asset: the rules or the
// dashboard. TestGeneratedChartFiles of package config compares the copies.
func chartHas(file string) bool {
	_, err := os.Stat(filepath.Join(chart, "files", file))
	return err == nil
}

func chartSchema(t *testing.T) object {
	t.Helper()
	var schema object
	if err := json.Unmarshal([]byte(read(t, filepath.Join(chart, "values.schema.json"))), &schema); err != nil {
		t.Fatal(err)
	}
	return schema
}

// TestChartSchemaHasEveryValue compares the keys of values.yaml with those of its schema,
// which permits no others.
func TestChartSchemaHasEveryValue(t *testing.T) {
	var values object
	if err := yaml.Unmarshal([]byte(read(t, filepath.Join(chart, "values.yaml"))), &values); err != nil {
		t.Fatal(err)
	}
	compareValues(t, "", values, chartSchema(t))
}

// openValues are the values whose keys are not those of the chart.
var openValues = []string{"config", "secret.data", "resources.requests", "resources.limits", "dashboard.labels"}

func compareValues(t *testing.T, path string, values, schema any) {
	t.Helper()
	if slices.Contains(openValues, path) {
		return
	}
	properties, ok := at(schema, "properties").(map[string]any)
	if !ok {
		return
	}
	if at(schema, "additionalProperties") != false {
		t.Errorf("the schema permits unknown keys in %q", path)
	}
	for name, of := range properties {
		value := at(values, name)
		if value == nil && path+name != "global" {
			t.Errorf("values.yaml has no %s, which the schema has", path+name)
		}
		if at(of, "properties") != nil && !slices.Contains(openValues, path+name) {
			compareValues(t, path+name+".", value, of)
		}
	}
	keys := reflect.ValueOf(values)
	for _, key := range keys.MapKeys() {
		if properties[key.String()] == nil {
			t.Errorf("the schema has no %s, which values.yaml has", path+key.String())
		}
	}
}

// TestChartSecretsAreReferences requires that the schema refuses the text of a secret in the
// configuration, which goes into a ConfigMap. A new secret of the configuration needs an
// entry in the schema.
func TestChartSecretsAreReferences(t *testing.T) {
	schema := at(chartSchema(t), "properties", "config")
	for _, path := range secretsOf(reflect.TypeFor[config.Config]()) {
		in := schema
		for key := range strings.SplitSeq(path, ".") {
			name, list := strings.CutSuffix(key, "[]")
			if in = at(in, "properties", name); list {
				in = at(in, "items")
			}
		}
		if at(in, "$ref") != "#/definitions/secret" {
			t.Errorf("the schema permits a text as config.%s", path)
		}
	}
}

// secretsOf returns the paths of the secrets in a section of the configuration.
func secretsOf(section reflect.Type) []string {
	var found []string
	for field := range section.Fields() {
		key, of := field.Tag.Get("yaml"), field.Type
		if of.Kind() == reflect.Slice {
			key, of = key+"[]", of.Elem()
		}
		switch {
		case !field.IsExported():
		case of == reflect.TypeFor[config.Secret]():
			found = append(found, key)
		case of.Kind() == reflect.Struct:
			for _, inner := range secretsOf(of) {
				found = append(found, key+"."+inner)
			}
		}
	}
	return found
}

// TestChartRestartsForWhatNeedsIt compares the keys of the configuration that need a restart
// with those in the annotation that restarts the pods: the ports and the section journal.
func TestChartRestartsForWhatNeedsIt(t *testing.T) {
	got := needRestart(reflect.TypeFor[config.Config]())
	if want := []string{"http.listen", "admin.listen", "journal"}; !slices.Equal(got, want) {
		t.Errorf("%v need a restart, and the annotation checksum/restart of the chart is for %v", got, want)
	}
}

func needRestart(section reflect.Type) []string {
	var found []string
	for field := range section.Fields() {
		key := field.Tag.Get("yaml")
		switch {
		case field.Tag.Get("restart") == "true":
			found = append(found, key)
		case field.IsExported() && field.Type.Kind() == reflect.Struct && key != "":
			for _, inner := range needRestart(field.Type) {
				found = append(found, key+"."+inner)
			}
		}
	}
	return found
}

// TestChartKnowsTheDefaults compares the defaults that the templates repeat.
func TestChartKnowsTheDefaults(t *testing.T) {
	c := config.Default()
	helpers := read(t, filepath.Join(chart, "templates", "_helpers.tpl"))
	for keys, want := range map[string]any{
		`"http" "drain" `: c.HTTP.Drain, `"http" "shutdown_timeout" `: c.HTTP.ShutdownTimeout,
		`"platform" "pool" "max" `: c.Platform.Pool.Max, `"auth" "throttle" "concurrent" `: c.Auth.Throttle.Concurrent, `"journal" "store" `: string(c.Journal.Store),
	} {
		found := regexp.MustCompile(regexp.QuoteMeta(keys) + `"?(\w+)"? \.?\$?`).FindStringSubmatch(helpers)
		if found == nil {
			t.Errorf("the templates have no default for %s", keys)
			continue
		}
		got := any(found[1])
		switch want := want.(type) {
		case time.Duration:
			d, err := time.ParseDuration(found[1])
			if err != nil || d != want {
				t.Errorf("%s: the chart has %s, and the default is %v", keys, found[1], want)
			}
			continue
		case int:
			if err := json.Unmarshal([]byte(found[1]), new(int)); err == nil {
				var n int
				_ = json.Unmarshal([]byte(found[1]), &n) // it has just succeeded
				got = n
			}
		}
		if got != want {
			t.Errorf("%s: the chart has %v, and the default is %v", keys, got, want)
		}
	}
}

// TestChartScalesByAMetricThatExists looks the metric up in the table of all metrics.
func TestChartScalesByAMetricThatExists(t *testing.T) {
	metric := regexp.MustCompile(`metric:\s+name: (\w+)`).FindStringSubmatch(read(t, filepath.Join(chart, "templates", "horizontalpodautoscaler.yaml")))
	if metric == nil || !strings.Contains(read(t, "../README.md"), "| `"+metric[1]+"` |") || !strings.Contains(read(t, filepath.Join(chart, "values.yaml")), metric[1]) {
		t.Errorf("the replicas follow %v, which is not in the table of metrics or not in values.yaml", metric)
	}
}
