package ocisim

import (
	"bytes"
	_ "embed" // for the seed of the demonstration
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"sync"
	"time"

	"go.yaml.in/yaml/v3"
)

// Seed describes the content and the behaviour of a platform at its start.
type Seed struct {
	Platform       Settings        `yaml:"platform"`
	Administrators []Administrator `yaml:"administrators"`
	Tenants        []Tenant        `yaml:"tenants"`
	// Faults are injected at the start.
	Faults []Fault `yaml:"faults"`
}

// Settings are the behaviour of a platform. The zero value behaves like known real
// platforms.
type Settings struct {
	// Release is 21, 22, 23, 24 or 25; 0 means 24. The platform has the commands
	// and elements of that release.
	Release int `yaml:"release"`
	// Version is the version in the reply to SystemSoftwareVersionGetRequest; empty
	// means the release's version.
	Version string `yaml:"version"`
	// Refusal is how the platform refuses what its release does not support or what
	// does not fit the schema; empty means RefusalCommand.
	Refusal RefusalMode `yaml:"refusal"`
	// Encoding is the encoding of the documents that the platform sends:
	// ISO-8859-1, ISO-8859-2, ISO-8859-15 or UTF-8; empty means ISO-8859-1.
	Encoding string `yaml:"encoding"`
	// Dashes prints numbers with a dash after the country code. Numbers whose
	// country code is not in CountryCodes are printed without a dash.
	Dashes bool `yaml:"dashes"`
	// CountryCodes are digits without the plus. If several match a number, the
	// longest one is its country code.
	CountryCodes []string `yaml:"country_codes"`
	// ErrorCode adds the element errorCode to error replies, which the schema
	// allows and real platforms omit.
	ErrorCode bool `yaml:"error_code"`
	// OmitEcho and OmitTracking omit the echo and the tracking id from replies.
	OmitEcho     bool `yaml:"omit_echo"`
	OmitTracking bool `yaml:"omit_tracking"`
	// Without are patterns of path.Match of commands that the platform does not
	// support.
	Without []string `yaml:"without"`
	// WithoutColumns are headings of columns that the platform's tables do not
	// have.
	WithoutColumns []string `yaml:"without_columns"`
	// ActivationOff disables the activation and deactivation of numbers.
	ActivationOff bool `yaml:"activation_off"`
	// LockAfter is the number of failed logins in a row after which an account is
	// locked; 0 means never.
	LockAfter int `yaml:"lock_after"`
	// LockFor is the time that an account stays locked; 0 means forever.
	LockFor time.Duration `yaml:"lock_for"`
	// MaxDocument is the size of the largest accepted document in bytes; 0 means
	// 1 MiB.
	MaxDocument int `yaml:"max_document"`
}

// Administrator is an account that can log in and is not a user of a group.
type Administrator struct {
	ID       string   `yaml:"id"`
	Password Password `yaml:"password"`
	// Type is one of the login types of the schema: System, Provisioning,
	// Reseller, Service Provider, Group or Group Department.
	Type string `yaml:"type"`
	// Reseller, Tenant, Group and Department are what the account administers.
	// Those that the type needs must be given, and no others. The department is
	// the path from the top.
	Reseller   string   `yaml:"reseller"`
	Tenant     string   `yaml:"tenant"`
	Group      string   `yaml:"group"`
	Department []string `yaml:"department"`
	// ReadOnly restricts an administrator of the types System and Provisioning.
	ReadOnly bool `yaml:"read_only"`
	// AdminType is the type of an administrator of the type Service Provider: Normal,
	// Customer or Password Reset Only; empty means Normal.
	AdminType string `yaml:"admin_type"`
	Condition `yaml:",inline"`
}

// Condition is the reason why an account cannot log in, if any.
type Condition struct {
	Disabled        bool `yaml:"disabled"`
	PasswordExpired bool `yaml:"password_expired"`
}

// Tenant is a service provider or an enterprise.
type Tenant struct {
	ID         string `yaml:"id"`
	Name       string `yaml:"name"`
	Enterprise bool   `yaml:"enterprise"`
	Reseller   string `yaml:"reseller"`
	// DefaultDomain is "example.com" if empty.
	DefaultDomain string `yaml:"default_domain"`
	// Services are the names of services authorized to the tenant. Those of its
	// groups are authorized to it, too.
	Services []string `yaml:"services"`
	// Departments are the departments of an enterprise.
	Departments []Department `yaml:"departments"`
	Groups      []Group      `yaml:"groups"`

	// Ranges and Prefixes are the tenant's holdings of Route List.
	Ranges   []Range  `yaml:"ranges"`
	Prefixes []Prefix `yaml:"prefixes"`
}

// Group is a group of a tenant.
type Group struct {
	ID        string `yaml:"id"`
	Name      string `yaml:"name"`
	UserLimit int    `yaml:"user_limit"`
	// Services are the names of the services and service packs authorized to the
	// group in unlimited quantity, for example "Route List".
	Services    []string     `yaml:"services"`
	Departments []Department `yaml:"departments"`
	Users       []User       `yaml:"users"`
}

// Department is a department and those below it.
type Department struct {
	Name        string       `yaml:"name"`
	Departments []Department `yaml:"departments"`
}

// User is a user of a group. A user without a password cannot log in.
type User struct {
	ID              string   `yaml:"id"`
	Password        Password `yaml:"password"`
	LastName        string   `yaml:"last_name"`
	FirstName       string   `yaml:"first_name"`
	PhoneNumber     string   `yaml:"phone_number"`
	Extension       string   `yaml:"extension"`
	Email           string   `yaml:"email"`
	EnterpriseTrunk string   `yaml:"enterprise_trunk"`
	// Department is the path from the top of a department of the group or, in an
	// enterprise, of the enterprise.
	Department []string `yaml:"department"`
	// Services are the names of the services assigned to the user, for example
	// "Route List".
	Services  []string `yaml:"services"`
	Condition `yaml:",inline"`
}

// Password is a password that is not printed or marshaled.
type Password string

// Format writes a placeholder for every verb.
func (Password) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, "[redacted]") }

// MarshalText returns a placeholder, for JSON and YAML.
func (Password) MarshalText() ([]byte, error) { return []byte("[redacted]"), nil }

// SeedError reports every problem of a seed.
type SeedError struct {
	// Problems begin with the path of the wrong value:
	// "tenants[0].groups[1].id: …".
	Problems []string
}

// Error returns all problems.
func (e *SeedError) Error() string {
	return "ocisim: the seed is not valid: " + strings.Join(e.Problems, "; ")
}

// LoadSeed reads a seed from YAML. Unknown keys are errors, as is a seed that [New]
// would refuse. The error is a *[SeedError] unless reading failed.
func LoadSeed(r io.Reader) (Seed, error) {
	decoder := yaml.NewDecoder(r)
	decoder.KnownFields(true)
	var seed Seed
	if err := decoder.Decode(&seed); errors.Is(err, io.EOF) {
		return Seed{}, &SeedError{Problems: []string{"the document is empty"}}
	} else if wrong, ok := errors.AsType[*yaml.TypeError](err); ok {
		return Seed{}, &SeedError{Problems: wrong.Errors}
	} else if err != nil {
		return Seed{}, fmt.Errorf("ocisim: reading a seed: %w", err)
	}
	if err := decoder.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return Seed{}, &SeedError{Problems: []string{"there is more than one document"}}
	}
	if _, err := build(seed); err != nil {
		return Seed{}, err
	}
	return seed, nil
}

//go:embed demo.yaml
var demo []byte

// DemoYAML returns the YAML of the seed of the demonstration with its comments.
func DemoYAML() []byte { return bytes.Clone(demo) }

// DemoSeed returns the seed of the demonstration. Its passwords are public. The caller may
// change it: no other caller has the same one.
func DemoSeed() Seed { return demoSeed().clone() }

// demoSeed reads the seed of the demonstration once, because tests start thousands of
// platforms with it.
var demoSeed = sync.OnceValue(func() Seed {
	seed, err := LoadSeed(bytes.NewReader(demo))
	if err != nil {
		panic(err) // a test loads it
	}
	return seed
})

// clone returns a copy of the seed that shares no slice with it. A seed consists of structs,
// slices, and values without references, which a test requires.
func (s Seed) clone() Seed {
	c := s
	cloneSlices(reflect.ValueOf(&c).Elem())
	return c
}

// cloneSlices replaces every slice in v by a copy.
func cloneSlices(v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		for _, field := range v.Fields() {
			cloneSlices(field)
		}
	case reflect.Slice:
		if v.IsNil() {
			return
		}
		c := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
		reflect.Copy(c, v)
		v.Set(c)
		for i := range v.Len() {
			cloneSlices(v.Index(i))
		}
	}
}
