package main

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// These tests specify which package may import which. A new package gets an entry in
// mayImport, with the packages of the module that it may import.

// moduleRoot is the path of the module for this package's tests.
const moduleRoot = "../.."

// mayImport lists, for each package of the module, the packages of the module that it may
// import. Imports go one way: see Architecture in cmd/README.md.
var mayImport = map[string][]string{
	"cmd/attack":           {"cmd/internal/measure"},
	"cmd/bench":            {"cmd/bench/facade", "cmd/internal/measure", "config", "oci"},
	"cmd/bench/facade":     {},
	"cmd/dist":             {"config/assets"},
	"cmd/internal/measure": {},
	"cmd/pressure":         {"cmd/internal/measure", "gateway/operation/postgres/postgrestest", "oci/ocisim"},
	"cmd/ocigate": {
		"config", "config/assets", "gateway", "gateway/auth", "gateway/docs", "gateway/openapi", "gateway/openapi/openapitest", "gateway/operation", "gateway/operation/bolt", "gateway/operation/postgres", "gateway/status", "gateway/tracing",
		"oci", "oci/ocisim", "translate", "translate/errcode", "translate/itc", "translate/scope",
	},
	"config":                                  {},
	"config/assets":                           {},
	"config/grafana":                          {},
	"config/manual":                           {},
	"gateway":                                 {"gateway/auth", "gateway/operation", "oci", "translate", "translate/errcode", "translate/itc", "translate/scope"},
	"gateway/auth":                            {"translate/scope"},
	"gateway/openapi":                         {"gateway", "gateway/auth", "translate", "translate/errcode", "translate/scope"},
	"gateway/auth/issuertest":                 {},
	"gateway/openapi/openapitest":             {"gateway", "gateway/auth", "gateway/openapi", "translate/errcode"},
	"gateway/operation":                       {"translate/scope"},
	"gateway/operation/bolt":                  {"gateway/operation", "translate/scope"},
	"gateway/operation/postgres":              {"gateway/operation", "translate/scope"},
	"gateway/docs":                            {"gateway", "gateway/auth", "gateway/openapi", "translate", "translate/errcode", "translate/scope"},
	"gateway/operation/postgres/postgrestest": {},
	"gateway/status":                          {"gateway", "gateway/operation", "oci"},
	"gateway/tracing/tracingtest":             {},
	"gateway/tracing":                         {"gateway", "gateway/operation", "oci"},
	"gateway/operation/storetest":             {"gateway/operation", "translate/scope"},
	"oci":                                     {},
	"oci/ocisim":                              {},
	"translate":                               {"oci", "translate/errcode", "translate/scope"},
	"translate/errcode":                       {},
	"translate/itc":                           {"oci", "translate", "translate/errcode", "translate/scope"},
	"translate/scope":                         {"translate/errcode"},
	"translate/translatetest":                 {"oci"},
}

// onlyIn lists, for some packages of other modules, the packages that may import them.
var onlyIn = map[string][]string{
	"github.com/labstack/echo/v4":              {"gateway", "cmd/bench"},
	"github.com/spf13/viper":                   {"config"},
	"github.com/spf13/cobra":                   {"cmd/ocigate"},
	"github.com/beevik/etree":                  {"oci/ocisim", "cmd/bench"},
	"encoding/xml":                             {"oci/ocisim", "translate/translatetest", "cmd/bench/facade"},
	"github.com/grafana":                       {"config/grafana"},
	"github.com/prometheus/client_golang":      {"gateway", "cmd/ocigate"},
	"github.com/prometheus/client_model":       {"gateway"},
	"github.com/prometheus/procfs":             {"cmd/attack", "cmd/bench", "cmd/internal/measure", "cmd/pressure"},
	"github.com/golang-jwt/jwt/v5":             {"gateway/auth"},
	"github.com/go-jose/go-jose/v4":            {"gateway/auth", "gateway/auth/issuertest"},
	"golang.org/x/crypto":                      {"gateway/auth"},
	"net/http":                                 {"gateway", "gateway/auth", "gateway/auth/issuertest", "gateway/openapi", "gateway/openapi/openapitest", "cmd/ocigate", "translate/errcode", "cmd/attack", "cmd/bench", "cmd/bench/facade", "cmd/pressure", "gateway/docs", "gateway/status", "gateway/tracing", "gateway/tracing/tracingtest"},
	"go.opentelemetry.io/otel":                 {"gateway/tracing"},
	"go.opentelemetry.io/proto/otlp":           {"gateway/tracing/tracingtest"},
	"google.golang.org/protobuf":               {"gateway/tracing/tracingtest"},
	"encoding/json":                            {"gateway", "gateway/auth", "gateway/auth/issuertest", "gateway/openapi", "gateway/openapi/openapitest", "gateway/operation", "gateway/operation/bolt", "gateway/operation/postgres", "gateway/operation/storetest", "cmd/ocigate", "translate", "translate/itc", "cmd/bench", "cmd/bench/facade", "cmd/pressure", "cmd/dist", "gateway/docs", "gateway/status"},
	"go.etcd.io/bbolt":                         {"gateway/operation/bolt"},
	"github.com/jackc/pgx/v5":                  {"gateway/operation/postgres", "gateway/operation/postgres/postgrestest"},
	"github.com/coreos/go-systemd/v22":         {"cmd/ocigate"},
	"golang.org/x/sys":                         {"cmd/ocigate"},
	"github.com/google/uuid":                   {"gateway/operation"},
	"go.yaml.in/yaml/v3":                       {"config", "gateway/openapi", "oci/ocisim", "cmd/ocigate"},
	"github.com/hashicorp/golang-lru/v2":       {"gateway", "gateway/auth", "gateway/tracing", "translate"},
	"golang.org/x/time":                        {"gateway"},
	"github.com/go-viper/mapstructure/v2":      {"config"},
	"golang.org/x/text/cases":                  {"gateway/auth"},
	"golang.org/x/text/unicode/norm":           {"gateway/auth"},
	"golang.org/x/text/encoding":               {"oci", "oci/ocisim", "cmd/bench", "cmd/bench/facade"},
	"github.com/santhosh-tekuri/jsonschema/v6": {"gateway/openapi/openapitest"},
	"github.com/swaggest/swgui":                {"gateway/docs"},
	"html/template":                            {"gateway/docs", "gateway/status"},
}

func TestImportsGoOneWay(t *testing.T) {
	seen := map[string]bool{}
	for _, file := range goFiles(t) {
		of := filepath.ToSlash(filepath.Dir(file))
		seen[of] = true
		allowed, known := mayImport[of]
		if !known {
			t.Errorf("package %s is not in the table of this test", of)
			continue
		}
		for _, path := range imports(t, file) {
			if own, ok := strings.CutPrefix(path, "ocigate/"); ok && !slices.Contains(allowed, own) {
				t.Errorf("%s imports %s", file, path)
			}
			for other, in := range onlyIn {
				if (path == other || strings.HasPrefix(path, other+"/")) && !slices.Contains(in, of) {
					t.Errorf("%s imports %s, which only %v may", file, path, in)
				}
			}
		}
	}
	for of := range mayImport {
		if !seen[of] {
			t.Errorf("there is no package %s", of)
		}
	}
}

// goFiles returns the Go files of the module, without tests.
func goFiles(t *testing.T) []string {
	t.Helper()
	var files []string
	err := filepath.WalkDir(moduleRoot, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := entry.Name()
		if entry.IsDir() && path != moduleRoot && (strings.HasPrefix(name, ".") || name == "testdata") {
			return filepath.SkipDir
		}
		if strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go") {
			relative, err := filepath.Rel(moduleRoot, path)
			if err != nil {
				return err
			}
			files = append(files, relative)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func imports(t *testing.T, file string) []string {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join(moduleRoot, file), nil, parser.ImportsOnly)
	if err != nil {
		t.Fatal(err)
	}
	var paths []string
	for _, spec := range parsed.Imports {
		path, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, path)
	}
	return paths
}
