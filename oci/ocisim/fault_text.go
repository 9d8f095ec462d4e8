package ocisim

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
)

// faultParam is a parameter of the text form.
type faultParam struct {
	name string
	get  func(*Fault) string // returns "" for the zero value
	set  func(*Fault, string) error
}

// faultParams lists the parameters in the order in which String writes them.
var faultParams = []faultParam{
	wordParam("command", func(f *Fault) *string { return &f.Command }),
	countParam("skip", func(f *Fault) *int { return &f.Skip }),
	countParam("times", func(f *Fault) *int { return &f.Times }),
	{
		name: "delay",
		get: func(f *Fault) string {
			if f.Delay == 0 {
				return ""
			}
			return f.Delay.String()
		},
		set: func(f *Fault, s string) (err error) { f.Delay, err = time.ParseDuration(s); return err },
	},
	countParam("bytes", func(f *Fault) *int { return &f.Bytes }),
	countParam("rows", func(f *Fault) *int { return &f.Rows }),
	countParam("number", func(f *Fault) *int { return &f.Number }),
	wordParam("severity", func(f *Fault) *string { return &f.Severity }),
	wordParam("summary", func(f *Fault) *string { return &f.Summary }),
	wordParam("reason", func(f *Fault) *string { return &f.Reason }),
}

// wordParam returns a parameter whose value is text.
func wordParam(name string, field func(*Fault) *string) faultParam {
	return faultParam{
		name: name,
		get: func(f *Fault) string {
			if s := *field(f); strings.ContainsAny(s, "\" \t\n\r") {
				return strconv.Quote(s)
			}
			return *field(f)
		},
		set: func(f *Fault, s string) error { *field(f) = s; return nil },
	}
}

// countParam returns a parameter whose value is a number.
func countParam(name string, field func(*Fault) *int) faultParam {
	return faultParam{
		name: name,
		get: func(f *Fault) string {
			if *field(f) == 0 {
				return ""
			}
			return strconv.Itoa(*field(f))
		},
		set: func(f *Fault, s string) (err error) { *field(f), err = strconv.Atoi(s); return err },
	}
}

// ParseFault parses the text form of a fault. The error reports every problem.
func ParseFault(text string) (Fault, error) {
	kind, rest, _ := strings.Cut(strings.TrimSpace(text), " ")
	f := Fault{Kind: FaultKind(kind)}
	var problems []error
	for rest = strings.TrimSpace(rest); rest != ""; rest = strings.TrimSpace(rest) {
		var name, value string
		var err error
		if name, value, rest, err = cutParameter(rest); err != nil {
			problems = append(problems, err)
			break
		}
		i := slices.IndexFunc(faultParams, func(p faultParam) bool { return p.name == name })
		if i < 0 {
			problems = append(problems, fmt.Errorf("unknown parameter %q", name))
		} else if err := faultParams[i].set(&f, value); err != nil {
			problems = append(problems, fmt.Errorf("parameter %s: %w", name, err))
		}
	}
	if err := errors.Join(append(problems, f.validate())...); err != nil {
		return Fault{}, fmt.Errorf("ocisim: fault %q: %w", text, err)
	}
	return f, nil
}

// cutParameter splits a text after its first parameter.
func cutParameter(text string) (name, value, rest string, err error) {
	name, rest, ok := strings.Cut(text, "=")
	if !ok || strings.ContainsAny(name, " \"") {
		return "", "", "", fmt.Errorf("no name=value: %q", text)
	}
	if quoted, err := strconv.QuotedPrefix(rest); err == nil && quoted[0] == '"' {
		value, err := strconv.Unquote(quoted)
		return name, value, rest[len(quoted):], err
	}
	value, rest, _ = strings.Cut(rest, " ")
	return name, value, rest, nil
}

// validate returns an error that reports every problem of the fault, or nil.
func (f *Fault) validate() error {
	row := rowOf(f.Kind)
	if row == nil {
		return fmt.Errorf("unknown kind %q", f.Kind)
	}
	var problems []error
	taken := row.parameters()
	for _, p := range faultParams {
		if p.get(f) != "" && !slices.Contains(taken, p.name) {
			problems = append(problems, fmt.Errorf("the kind %s takes no %s", f.Kind, p.name))
		}
	}
	if _, err := path.Match(f.Command, ""); err != nil {
		problems = append(problems, fmt.Errorf("parameter command: %w", err))
	}
	if min(f.Skip, f.Times, f.Bytes, f.Rows, f.Number, int(f.Delay)) < 0 {
		problems = append(problems, errors.New("no parameter may be negative"))
	}
	if !slices.Contains([]string{"", "Error", "Warning", "Info"}, f.Severity) {
		problems = append(problems, fmt.Errorf("parameter severity: %q is not Error, Warning or Info", f.Severity))
	}
	return errors.Join(problems...)
}

// String returns the text form.
func (f Fault) String() string {
	parts := []string{string(f.Kind)}
	for _, p := range faultParams {
		if value := p.get(&f); value != "" {
			parts = append(parts, p.name+"="+value)
		}
	}
	return strings.Join(parts, " ")
}

// MarshalText returns the text form.
func (f Fault) MarshalText() ([]byte, error) { return []byte(f.String()), nil }

// UnmarshalText parses the text form.
func (f *Fault) UnmarshalText(text []byte) (err error) {
	*f, err = ParseFault(string(text))
	return err
}
