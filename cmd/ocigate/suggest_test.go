package main

import (
	"regexp"
	"strings"
	"testing"
)

// These tests specify the suggestions for mistyped commands and flags. To add one, add an
// entry to the map: the arguments, and a pattern of the error.

func TestVersionIsAFlagToo(t *testing.T) {
	want, _, err := execute(t, "", "version")
	if err != nil {
		t.Fatal(err)
	}
	if got, errs, err := execute(t, "", "--version"); got != want || errs != "" || err != nil {
		t.Errorf("got %q, %q, %v, want %q", got, errs, err, want)
	}
	if _, _, err := execute(t, "", "-v"); err == nil {
		t.Error("-v is accepted, which elsewhere means verbose")
	}
}

func TestMistypedCommandsAndFlagsAreRecognized(t *testing.T) {
	for line, want := range map[string]string{
		"serv":                            `^unknown command "serv" for "ocigate"; did you mean serve\?$`,
		"vresion":                         `; did you mean version\?$`,
		"config chek":                     `^unknown command "chek" for "ocigate config"; did you mean check\?$`,
		"audit verfy":                     `; did you mean verify\?$`,
		"simulate fualts":                 `; did you mean faults\?$`,
		"nonsense":                        `^unknown command "nonsense" for "ocigate"$`,
		"demo --chek":                     `^unknown flag: --chek; did you mean --check\?$`,
		"serve --confg x":                 `; did you mean --config\?$`,
		"demo -listen :80":                `; did you mean --listen\?$`,
		"--vresion":                       `; did you mean --version\?$`,
		"demo --nonsense":                 `^unknown flag: --nonsense$`,
		"demo --available-from tenat":     `; did you mean tenant\?$`,
		"audit verify --haed 1:2":         `; did you mean --head\?$`,
		"config check --config":           `^flag needs an argument`,
		"config check --config=x surplus": `unknown command "surplus"`,
	} {
		t.Run(line, func(t *testing.T) {
			out, _, err := execute(t, "", strings.Fields(line)...)
			if err == nil || !regexp.MustCompile(want).MatchString(err.Error()) {
				t.Errorf("got %v, wrote %q", err, out)
			}
		})
	}
}
