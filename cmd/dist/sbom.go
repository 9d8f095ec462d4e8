package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// licenses saves the texts of the licenses of all modules in the binary and of Go itself,
// and the source of a module whose license requires it.
func (r *release) licenses(ctx context.Context) error {
	folder := filepath.Join(r.work, "licenses")
	if _, err := r.tool(ctx, "", r.licensed(), goLicenses, "save", "--ignore", "ocigate", "--save_path="+folder, "./cmd/ocigate"); err != nil {
		return err
	}
	files, err := readFolder(folder, "licenses")
	if err != nil {
		return err
	}
	if files["licenses/std/LICENSE"], err = r.licenseOfGo(ctx); err != nil {
		return err
	}
	content, err := archive(files, r.time)
	if err != nil {
		return err
	}
	return r.write("licenses.tar.gz", content)
}

// licenseOfGo returns the license of the standard library, which each binary contains and
// which the tool leaves out.
func (r *release) licenseOfGo(ctx context.Context) ([]byte, error) {
	root, err := r.output(ctx, nil, goCommand(), "env", "GOROOT")
	if err != nil {
		return nil, err
	}
	return os.ReadFile(filepath.Join(strings.TrimSpace(string(root)), "LICENSE"))
}

// licensed returns the variables by which go-licenses reads the binary of the first
// platform, and not that of this machine.
func (r *release) licensed() []string {
	return append([]string{"GOOS=" + r.platforms[0].system, "GOARCH=" + r.platforms[0].arch}, buildVariables...)
}

// sboms writes what each binary is made of.
func (r *release) sboms(ctx context.Context) error {
	report, err := r.tool(ctx, "", r.licensed(), goLicenses, "report", "--ignore", "ocigate", "./cmd/ocigate")
	if err != nil {
		return err
	}
	known, err := parseLicenses(report)
	if err != nil {
		return err
	}
	for _, p := range r.platforms {
		raw, err := r.tool(ctx, "", []string{"GOOS=" + p.system, "GOARCH=" + p.arch}, cyclonedx,
			"bin", "-json", "-std", "-noserial", "-notimestamp", r.pathOf(p))
		if err != nil {
			return err
		}
		bom, err := completeSBOM(raw, r.version, r.time, known)
		if err != nil {
			return fmt.Errorf("%s: %w", p, err)
		}
		if err := os.WriteFile(r.sbomOf(p), bom, 0o644); err != nil { //nolint:gosec // it has no secrets
			return err
		}
	}
	return nil
}

func (r *release) sbomOf(p platform) string { return r.pathOf(p) + ".cdx.json" }

// parseLicenses returns the licenses of packages, by their paths, from the report of
// go-licenses: lines of package, address and license.
func parseLicenses(report []byte) (map[string]string, error) {
	rows, err := csv.NewReader(bytes.NewReader(report)).ReadAll()
	if err != nil {
		return nil, err
	}
	known := map[string]string{"std": "BSD-3-Clause"} // Go's own license
	for _, row := range rows {
		known[row[0]] = row[2]
	}
	return known, nil
}

// licensesOf returns all licenses of the packages of a module, in order.
func licensesOf(module string, known map[string]string) []string {
	var found []string
	for path, license := range known {
		if path == module || strings.HasPrefix(path, module+"/") {
			found = append(found, license)
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// completeSBOM adds to a CycloneDX document what its tool does not know: the version of
// the binary, the time, and the licenses. It removes the checksum of the tool, which
// depends on the machine. A module without a license is an error.
func completeSBOM(raw []byte, version string, at time.Time, known map[string]string) ([]byte, error) {
	var bom map[string]any
	if err := json.Unmarshal(raw, &bom); err != nil {
		return nil, err
	}
	metadata, _ := bom["metadata"].(map[string]any)
	program, _ := metadata["component"].(map[string]any)
	components, _ := bom["components"].([]any)
	if program == nil || len(components) == 0 {
		return nil, fmt.Errorf("the SBOM has no program or no components:\n%s", raw)
	}
	metadata["timestamp"] = at.Format(time.RFC3339)
	if tools, ok := metadata["tools"].([]any); ok {
		for _, tool := range tools {
			if tool, ok := tool.(map[string]any); ok {
				delete(tool, "hashes")
			}
		}
	}
	program["version"] = version
	if purl, ok := program["purl"].(string); ok {
		program["purl"] = strings.Replace(purl, "pkg:golang/ocigate?", "pkg:golang/ocigate@"+version+"?", 1)
	}
	setLicenses(program, []string{"Apache-2.0"})
	for _, component := range components {
		component, _ := component.(map[string]any)
		name, _ := component["name"].(string)
		ids := licensesOf(name, known)
		if len(ids) == 0 {
			return nil, fmt.Errorf("the license of %s is not known", name)
		}
		setLicenses(component, ids)
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err := e.Encode(bom)
	return b.Bytes(), err
}

func setLicenses(component map[string]any, ids []string) {
	var list []any
	for _, id := range ids {
		list = append(list, map[string]any{"license": map[string]any{"id": id}})
	}
	component["licenses"] = list
}
