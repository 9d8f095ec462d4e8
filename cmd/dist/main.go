// Command dist builds the files of a release: for each platform a static binary and its
// SBOM, for Linux deb and rpm packages, and the manual, the licenses and the checksums.
//
// Its output depends on nothing but the source, its own arguments, the version of Go and
// the time of the commit, or SOURCE_DATE_EPOCH in seconds since 1970: two builds give the
// same bytes. It needs Go, and fetches its tools as Go modules. Run it in the root of the
// module.
package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// The tools. Later versions of nfpm need modules that the proxy of Go modules refuses.
const (
	goLicenses = "github.com/google/go-licenses@v1.6.0"
	cyclonedx  = "github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@v1.10.0"
	nfpm       = "github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.45.2"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "dist:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, log io.Writer) error {
	flags := flag.NewFlagSet("dist", flag.ContinueOnError)
	r := release{log: log}
	flags.StringVar(&r.version, "version", "", "the version in the binary and in names of files, as git describe prints it")
	flags.StringVar(&r.to, "to", "dist", "the `folder` to write to, which is replaced")
	flags.StringVar(&r.maintainer, "maintainer", cmp.Or(os.Getenv("PACKAGE_MAINTAINER"), "ocigate maintainers <maintainers@ocigate.example>"), "the maintainer of the packages: `name` and address")
	flags.StringVar(&r.cache, "cache", "", "compile the binaries with the build cache in this `folder`: with an empty one, nothing of earlier builds is used")
	platforms := flags.String("platforms", runtime.GOOS+"-"+runtime.GOARCH, "the platforms to build for, as linux-amd64, with blanks between them")
	if err := flags.Parse(args); err != nil {
		return err
	}
	var err error
	if r.platforms, err = parsePlatforms(*platforms); err != nil {
		return err
	}
	return r.build(ctx)
}

// A platform is what a binary is built for.
type platform struct{ system, arch string }

func (p platform) String() string { return p.system + "-" + p.arch }

func parsePlatforms(text string) ([]platform, error) {
	var all []platform
	for name := range strings.FieldsSeq(text) {
		system, arch, ok := strings.Cut(name, "-")
		if !ok {
			return nil, fmt.Errorf("platform %q is not of the form linux-amd64", name)
		}
		all = append(all, platform{system, arch})
	}
	if len(all) == 0 {
		return nil, errors.New("there are no platforms to build for")
	}
	return all, nil
}

// A release is what one run builds.
type release struct {
	version    string
	maintainer string
	cache      string // folder of Go's build cache for the binaries, empty for the usual one
	platforms  []platform
	to         string // folder of the output
	log        io.Writer

	packageVersion string
	revision       string    // of the source, empty if it is not known
	time           time.Time // of all files in archives and packages
	work           string    // temporary folder
}

var safeVersion = regexp.MustCompile(`^[0-9A-Za-z][0-9A-Za-z.+-]*$`).MatchString

// build writes all files of the release.
func (r *release) build(ctx context.Context) (err error) {
	if !safeVersion(r.version) {
		return fmt.Errorf("-version %q is not a version such as v1.0.0", r.version)
	}
	r.packageVersion = packageVersion(r.version)
	if err := r.readSource(ctx); err != nil {
		return err
	}
	if r.to, err = filepath.Abs(r.to); err != nil {
		return err
	}
	if r.work, err = os.MkdirTemp("", "ocigate-dist-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(r.work)) }()
	if err := errors.Join(os.RemoveAll(r.to), os.MkdirAll(r.to, 0o755)); err != nil { //nolint:gosec // it has no secrets
		return err
	}
	for _, step := range []struct {
		name string
		do   func(context.Context) error
	}{
		{"binaries", r.binaries},
		{"licenses", r.licenses},
		{"SBOMs", r.sboms},
		{"manual", r.manual},
		{"packages", r.packages},
		{"checksums", func(context.Context) error { return r.checksums() }},
	} {
		fmt.Fprintln(r.log, "dist:", step.name)
		if err := step.do(ctx); err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
	}
	return nil
}

// readSource finds out the time and the revision of the source.
func (r *release) readSource(ctx context.Context) error {
	seconds := os.Getenv("SOURCE_DATE_EPOCH")
	if out, err := r.output(ctx, nil, "git", "log", "-1", "--format=%ct %H"); err == nil {
		committed, revision, _ := strings.Cut(strings.TrimSpace(string(out)), " ")
		seconds, r.revision = cmp.Or(seconds, committed), revision
	}
	n, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil {
		return fmt.Errorf("the time of the source is not known: neither a commit nor SOURCE_DATE_EPOCH (%q) has it", seconds)
	}
	r.time = time.Unix(n, 0).UTC()
	return nil
}

// output runs a program with further variables, and returns what it prints. Its error has
// what the program reports.
func (r *release) output(ctx context.Context, variables []string, name string, args ...string) ([]byte, error) {
	return r.outputIn(ctx, "", variables, name, args...)
}

func (r *release) outputIn(ctx context.Context, folder string, variables []string, name string, args ...string) ([]byte, error) {
	c := exec.CommandContext(ctx, name, args...) //nolint:gosec // the programs are those of this package
	c.Dir = folder
	c.Env = append(os.Environ(), variables...)
	var problems bytes.Buffer
	c.Stderr = &problems
	out, err := c.Output()
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w\n%s", filepath.Base(name), strings.Join(args, " "), err, problems.Bytes())
	}
	return out, nil
}

// tool runs a tool in a folder, or the current one, and returns what it prints.
func (r *release) tool(ctx context.Context, folder string, variables []string, module string, args ...string) ([]byte, error) {
	environment, command := toolCommand(variables, module, args)
	return r.outputIn(ctx, folder, environment, goCommand(), command...)
}

// toolCommand returns the variables and the arguments with which the Go command builds and
// runs a tool. Variables of Go are for the tool only: with GOOS it would be built for
// another machine.
func toolCommand(variables []string, module string, args []string) (environment, command []string) {
	environment = []string{"GOOS=", "GOARCH=", "GOFLAGS="}
	setting := []string{"env"}
	for _, v := range variables {
		if strings.HasPrefix(v, "GO") || strings.HasPrefix(v, "CGO_") {
			setting = append(setting, v) // none has a blank
		} else {
			environment = append(environment, v)
		}
	}
	return environment, append([]string{"run", "-exec", strings.Join(setting, " "), module}, args...)
}

// goCommand returns the Go command: that of make, if it has another one.
func goCommand() string { return cmp.Or(os.Getenv("GO"), "go") }
