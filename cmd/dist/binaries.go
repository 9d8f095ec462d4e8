package main

import (
	"context"
	"path/filepath"
	"runtime"
	"strings"
)

// buildVariables make builds independent of the settings of this machine.
var buildVariables = []string{
	"CGO_ENABLED=0", "GOFLAGS=", "GOEXPERIMENT=", "GOAMD64=v1", "GOARM64=v8.0", "GOWORK=off", "GOFIPS140=off",
}

// binaries builds the binary of each platform.
func (r *release) binaries(ctx context.Context) error {
	for _, p := range r.platforms {
		if err := r.binary(ctx, p, r.pathOf(p)); err != nil {
			return err
		}
	}
	return nil
}

// pathOf returns the path of a platform's binary.
func (r *release) pathOf(p platform) string {
	return filepath.Join(r.to, "ocigate-"+r.version+"-"+p.String())
}

// binary builds a binary. What the toolchain would write about the repository depends on
// its tags and on files beside the source, so only the revision is written.
func (r *release) binary(ctx context.Context, p platform, to string) error {
	linked := "-s -w -X main.version=" + r.version
	if r.revision != "" {
		linked += " -X main.revision=" + r.revision
	}
	variables := append([]string{"GOOS=" + p.system, "GOARCH=" + p.arch}, buildVariables...)
	if r.cache != "" {
		variables = append(variables, "GOCACHE="+r.cache)
	}
	_, err := r.output(ctx, variables,
		goCommand(), "build", "-trimpath", "-buildvcs=false", "-ldflags", linked, "-o", to, "./cmd/ocigate")
	return err
}

// native returns a binary that runs on this machine.
func (r *release) native(ctx context.Context) (string, error) {
	here := platform{runtime.GOOS, runtime.GOARCH}
	for _, p := range r.platforms {
		if p == here {
			return r.pathOf(p), nil
		}
	}
	path := filepath.Join(r.work, "ocigate")
	return path, r.binary(ctx, here, path)
}

// completions returns the completion scripts by the names of their shells.
func (r *release) completions(ctx context.Context) (map[string][]byte, error) {
	binary, err := r.native(ctx)
	if err != nil {
		return nil, err
	}
	scripts := map[string][]byte{}
	for shell := range strings.FieldsSeq("bash zsh fish") {
		if scripts[shell], err = r.output(ctx, nil, binary, "completion", shell); err != nil {
			return nil, err
		}
	}
	return scripts, nil
}
