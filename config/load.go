package config

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/go-viper/mapstructure/v2"
	"github.com/spf13/viper"
)

// variablePrefix begins the names of the environment variables of this
// package, which takes all of that prefix for itself.
const variablePrefix = "OCIGATE_"

// maxFileBytes bounds the configuration and each file that holds a secret.
const maxFileBytes = 1 << 20

// Load reads the configuration file at path, with environ over it: strings of
// the form NAME=value, as os.Environ returns them.
//
// The variable of a key is OCIGATE_ and its path in capitals, with "_" for
// every ".": OCIGATE_PLATFORM_POOL_MAX. One that is set to nothing is a value
// too. Lists have no variables; their secrets can be {env: NAME}. A variable that begins with OCIGATE_ must belong to a
// key, be named by such a secret, or be one of those that Kubernetes makes of
// a Service called ocigate.
//
// A configuration that is not right in every part is a [*Problems]; a file
// that cannot be read is another error.
func Load(path string, environ []string) (*Config, error) {
	raw, err := readFile(path)
	if err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	return parse(path, raw, environ, readFile)
}

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path) // #nosec G304 -- the operator names the file
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	raw, err := io.ReadAll(io.LimitReader(f, maxFileBytes+1))
	if err == nil && len(raw) > maxFileBytes {
		err = fmt.Errorf("%s is larger than %d bytes", path, maxFileBytes)
	}
	return raw, err
}

// loader is one reading of a configuration.
type loader struct {
	places
	environ  map[string]string
	readFile func(string) ([]byte, error)

	problems []Problem
	// bad holds the paths whose values are not worth judging any further.
	bad map[string]bool
	// named holds the variables that secrets of the file refer to.
	named map[string]bool
	// only is the one section that is read, empty for all.
	only string
}

func newLoader(file string, environ []string, readFile func(string) ([]byte, error)) *loader {
	return &loader{
		places:   places{file: file, lines: map[string]int{}, variables: map[string]string{}},
		environ:  environment(environ),
		readFile: readFile,
		bad:      map[string]bool{},
		named:    map[string]bool{},
	}
}

func parse(name string, raw []byte, environ []string, readFile func(string) ([]byte, error)) (*Config, error) {
	l := newLoader(name, environ, readFile)
	file := l.document(raw)
	overrides := l.overrides()
	l.strayVariables()

	c := new(Config)
	if err := merge(tree(reflect.ValueOf(Default())), file, overrides).UnmarshalExact(c, exactly); err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	l.judge(c)
	if err := l.verdict(); err != nil {
		return nil, err
	}
	c.places = &l.places
	return c, nil
}

// verdict is all that is wrong, in the order of the file, or nil.
func (l *loader) verdict() error {
	if len(l.problems) == 0 {
		return nil
	}
	slices.SortStableFunc(l.problems, func(a, b Problem) int {
		// A line of 0 becomes the largest number and so comes last.
		return cmp.Compare(uint(a.Line)-1, uint(b.Line)-1)
	})
	return &Problems{l.problems}
}

func environment(environ []string) map[string]string {
	m := make(map[string]string, len(environ))
	for _, entry := range environ {
		// Windows has variables without a name; "" stands for none here.
		if name, value, _ := strings.Cut(entry, "="); name != "" {
			m[name] = value
		}
	}
	return m
}

// overrides are the values that the environment gives, by path.
func (l *loader) overrides() map[string]any {
	values := map[string]any{}
	for _, s := range settings("", reflect.ValueOf(Default())) {
		name := s.variable()
		text, ok := l.environ[name]
		if !ok || l.isLeftOut(s.path) {
			continue
		}
		l.variables[s.path] = name
		if s.typ == secretType && text != "" {
			if err := CheckSecret(text); err != nil {
				l.refuse(s.path, err.Error())
				continue
			}
		}
		if value, ok := l.scalarText(s.path, s.typ, text); ok {
			values[s.path] = value
		}
	}
	return values
}

// strayVariables reports the variables of our prefix that nothing uses: most
// are misspelled. Where the file could not be read, nobody knows which of them
// its secrets would have named.
func (l *loader) strayVariables() {
	if l.isBad("") {
		return
	}
	used := map[string]bool{}
	for _, name := range l.variables {
		used[name] = true
	}
	for _, name := range slices.Sorted(maps.Keys(l.environ)) {
		if !strings.HasPrefix(name, variablePrefix) || used[name] || l.named[name] || isServiceLink(name, l.environ[name]) {
			continue
		}
		l.report(Problem{Variable: name, Reason: strayReason(name)})
	}
}

var (
	serviceLink     = regexp.MustCompile(`_(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)\z`)
	servicePortLink = regexp.MustCompile(`\A(tcp|udp|sctp)://`)
)

// isServiceLink recognizes the variables that Kubernetes adds to every pod
// beside a Service whose name begins with "ocigate". Nobody misspelled them.
func isServiceLink(name, value string) bool {
	return serviceLink.MatchString(name) || strings.HasSuffix(name, "_PORT") && servicePortLink.MatchString(value)
}

// keyDelimiter cannot occur in a key: only those of the structures get here.
const keyDelimiter = "::"

// merge lays the file over the defaults, and the overrides, by path, over
// both.
func merge(defaults, file, overrides map[string]any) *viper.Viper {
	v := viper.NewWithOptions(viper.KeyDelimiter(keyDelimiter))
	for key, value := range defaults {
		v.SetDefault(key, value)
	}
	_ = v.MergeConfigMap(file) // cannot fail
	for path, value := range overrides {
		v.Set(strings.ReplaceAll(path, ".", keyDelimiter), value)
	}
	return v
}

// exactly switches off every conversion: what gets here has its type already.
func exactly(c *mapstructure.DecoderConfig) {
	c.TagName = "yaml"
	c.WeaklyTypedInput = false
	c.DecodeHook = nil
}

// tree is a section as nested maps, without its lists.
func tree(section reflect.Value) map[string]any {
	m := map[string]any{}
	for _, f := range fields(section.Type()) {
		switch value := section.Field(f.index); {
		case isSection(f.typ):
			m[f.key] = tree(value)
		case f.typ.Kind() != reflect.Slice:
			m[f.key] = value.Interface()
		}
	}
	return m
}
