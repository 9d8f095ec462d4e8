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

// variablePrefix is the prefix of the environment variables of this package. No
// other variable may have it.
const variablePrefix = "OCIGATE_"

// maxFileBytes limits the size of the configuration and of each file that holds a secret.
const maxFileBytes = 1 << 20

// Load reads the configuration file at path, with environ over it: strings of
// the form NAME=value, as os.Environ returns them.
//
// The variable of a key is OCIGATE_ and its path in capitals, with "_" for
// every ".": OCIGATE_PLATFORM_POOL_MAX. A variable that is set to an empty text
// sets its key to that. Lists have no variables; their secrets can be
// {env: NAME}. A variable that begins with OCIGATE_ must belong to a key, be
// named by such a secret, or be one of those that Kubernetes adds for a Service
// called ocigate.
//
// If anything in the configuration is wrong, the error is a [*Problems]. If the
// file cannot be read, it is another error. The file may have 1 MiB at most.
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

// loader holds the state of loading one configuration.
type loader struct {
	places
	environ  map[string]string
	readFile func(string) ([]byte, error)

	problems []Problem
	// bad holds the paths whose values were rejected and are not validated any
	// further. The empty path means the complete file.
	bad map[string]bool
	// named holds the variables that secrets of the file name.
	named map[string]bool
	// only is the name of the one section that is read, empty for all.
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
	l.checkVariables()

	c := new(Config)
	if err := merge(tree(reflect.ValueOf(Default())), file, overrides).UnmarshalExact(c, exactly); err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	l.validate(c)
	if err := l.err(); err != nil {
		return nil, err
	}
	c.places = &l.places
	return c, nil
}

// err returns the problems that were reported, in the order of the file, or nil.
func (l *loader) err() error {
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
		// Windows has variables without a name. Here, the name "" means that
		// a key has no variable.
		if name, value, _ := strings.Cut(entry, "="); name != "" {
			m[name] = value
		}
	}
	return m
}

// overrides returns the values that the environment sets, by path.
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

// checkVariables reports the variables of our prefix that are not used: most of
// them are misspelled. It reports none if the file could not be parsed, because
// then it is not known which of them the file's secrets name.
func (l *loader) checkVariables() {
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
		l.report(Problem{Variable: name, Reason: unusedReason(name)})
	}
}

var (
	serviceLink     = regexp.MustCompile(`_(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)\z`)
	servicePortLink = regexp.MustCompile(`\A(tcp|udp|sctp)://`)
)

// isServiceLink reports whether a variable is one that Kubernetes adds to every
// pod for a Service whose name begins with "ocigate". Such a variable is not a
// misspelled one.
func isServiceLink(name, value string) bool {
	return serviceLink.MatchString(name) || strings.HasSuffix(name, "_PORT") && servicePortLink.MatchString(value)
}

// keyDelimiter cannot occur in a key: only those of the structures get here.
const keyDelimiter = "::"

// merge returns the defaults with the file's values over them, and the
// overrides, by path, over both.
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

// exactly disables every conversion: all values have their types already.
func exactly(c *mapstructure.DecoderConfig) {
	c.TagName = "yaml"
	c.WeaklyTypedInput = false
	c.DecodeHook = nil
}

// tree returns a section as nested maps, without its lists.
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
