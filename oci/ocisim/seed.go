package ocisim

import (
	"bytes"
	_ "embed" // for the seed of the demonstration
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// Seed is what a platform holds and how it behaves when it starts.
type Seed struct {
	Platform       Settings        `yaml:"platform"`
	Administrators []Administrator `yaml:"administrators"`
	Tenants        []Tenant        `yaml:"tenants"`
	// Faults are injected from the start.
	Faults []Fault `yaml:"faults"`
}

// Settings are how the platform behaves. The zero value behaves as real
// systems are known to.
type Settings struct {
	// Release is 21, 22, 23, 24 (if 0) or 25. The platform has the commands and
	// elements of that release.
	Release int `yaml:"release"`
	// Version is what SystemSoftwareVersionGetRequest answers; the release's if
	// empty.
	Version string `yaml:"version"`
	// Refusal is how the platform refuses what its release does not have, or
	// what does not fit the schema; command if empty.
	Refusal RefusalMode `yaml:"refusal"`
	// Encoding of the documents that the platform writes: ISO-8859-1 (if
	// empty), ISO-8859-2, ISO-8859-15 or UTF-8.
	Encoding string `yaml:"encoding"`
	// Dashes prints numbers with a dash after the country code. Numbers
	// whose country code is not in CountryCodes are printed without.
	Dashes bool `yaml:"dashes"`
	// CountryCodes are digits without the plus. Where several fit a number,
	// the longest counts.
	CountryCodes []string `yaml:"country_codes"`
	// ErrorCode writes the element errorCode into error answers, as the
	// schema allows and real systems do not.
	ErrorCode bool `yaml:"error_code"`
	// OmitEcho and OmitTracking keep these back instead of returning them.
	OmitEcho     bool `yaml:"omit_echo"`
	OmitTracking bool `yaml:"omit_tracking"`
	// Without are commands that this release does not know, as globs.
	Without []string `yaml:"without"`
	// WithoutColumns are headings that this release's tables do not have.
	WithoutColumns []string `yaml:"without_columns"`
	// ActivationOff switches off activating and deactivating of numbers.
	ActivationOff bool `yaml:"activation_off"`
	// LockAfter is how many failed logins in a row lock an account; 0 never.
	LockAfter int `yaml:"lock_after"`
	// LockFor is how long an account stays locked; 0 for good.
	LockFor time.Duration `yaml:"lock_for"`
	// MaxDocument is the size of the largest request in bytes; 1 MiB if 0.
	MaxDocument int `yaml:"max_document"`
}

// Administrator is somebody who can log in and is not a user of a group.
type Administrator struct {
	ID       string   `yaml:"id"`
	Password Password `yaml:"password"`
	// Type is one of the login types of the schema: System, Provisioning,
	// Reseller, Service Provider, Group or Group Department.
	Type string `yaml:"type"`
	// Reseller, Tenant, Group and Department say of what: those that the type
	// needs, and no others. The department is the path from the top.
	Reseller   string   `yaml:"reseller"`
	Tenant     string   `yaml:"tenant"`
	Group      string   `yaml:"group"`
	Department []string `yaml:"department"`
	Condition  `yaml:",inline"`
}

// Condition is what may stand in the way of a login.
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
	// groups are also authorized.
	Services []string `yaml:"services"`
	// Departments are an enterprise's own.
	Departments []Department `yaml:"departments"`
	Groups      []Group      `yaml:"groups"`
	Ranges      []Range      `yaml:"ranges"`
	Prefixes    []Prefix     `yaml:"prefixes"`
}

// Group is a group of a tenant.
type Group struct {
	ID        string `yaml:"id"`
	Name      string `yaml:"name"`
	UserLimit int    `yaml:"user_limit"`
	// Services are the names of the services and service packs authorized to
	// the group, in any quantity: "Route List".
	Services    []string     `yaml:"services"`
	Departments []Department `yaml:"departments"`
	Users       []User       `yaml:"users"`
}

// Department is a department and those below it.
type Department struct {
	Name        string       `yaml:"name"`
	Departments []Department `yaml:"departments"`
}

// User is a user of a group. Without a password, the user cannot log in.
type User struct {
	ID              string   `yaml:"id"`
	Password        Password `yaml:"password"`
	LastName        string   `yaml:"last_name"`
	FirstName       string   `yaml:"first_name"`
	PhoneNumber     string   `yaml:"phone_number"`
	Extension       string   `yaml:"extension"`
	Email           string   `yaml:"email"`
	EnterpriseTrunk string   `yaml:"enterprise_trunk"`
	// Department is the path from the top: of the group or, in an enterprise,
	// of the enterprise.
	Department []string `yaml:"department"`
	// Services are those assigned to the user: "Route List".
	Services  []string `yaml:"services"`
	Condition `yaml:",inline"`
}

// Range is a number range of a tenant. A range may have a group, and a user of
// that group; in an enterprise, a user only.
type Range struct {
	Start string `yaml:"start"`
	End   string `yaml:"end"`
	Owner `yaml:",inline"`
	// ExtensionLength is 2 to 20, or 0 for none.
	ExtensionLength int `yaml:"extension_length"`
}

// Prefix is a number prefix of a tenant.
type Prefix struct {
	Prefix         string `yaml:"prefix"`
	Owner          `yaml:",inline"`
	ExtensionStart string `yaml:"extension_start"`
	ExtensionEnd   string `yaml:"extension_end"`
}

// Owner is who has a range or a prefix, and whether it is active.
type Owner struct {
	Group    string `yaml:"group"`
	User     string `yaml:"user"`
	Inactive bool   `yaml:"inactive"`
}

// Password is a password that does not let itself be printed.
type Password string

// Format writes a placeholder, whatever the verb.
func (Password) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, "[redacted]") }

// MarshalText writes a placeholder into JSON and the like.
func (Password) MarshalText() ([]byte, error) { return []byte("[redacted]"), nil }

// SeedError tells everything that is wrong with a seed.
type SeedError struct {
	// Problems begin with the path of the value at fault:
	// "tenants[0].groups[1].id: …".
	Problems []string
}

func (e *SeedError) Error() string {
	return "ocisim: the seed is not valid: " + strings.Join(e.Problems, "; ")
}

// LoadSeed reads a seed from YAML. Unknown keys are errors, as is anything that
// [New] would refuse. The error is a *[SeedError] unless reading failed.
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

// DemoYAML is the seed of the demonstration as it is written, with comments.
func DemoYAML() []byte { return bytes.Clone(demo) }

// DemoSeed is the seed of the demonstration. Its administrators have obvious
// passwords.
func DemoSeed() Seed {
	seed, err := LoadSeed(bytes.NewReader(demo))
	if err != nil {
		panic(err) // a test loads it
	}
	return seed
}
