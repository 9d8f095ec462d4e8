package ocisim_test

import (
	"flag"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ocigate/oci/ocisim"
)

// This file specifies the text form of faults and the validation of a fault. A new
// parameter is a case of TestParseFault.

func TestParseFault(t *testing.T) {
	for text, want := range map[string]ocisim.Fault{
		"refuse":                                             {Kind: ocisim.Refuse},
		" stall   skip=2  ":                                  {Kind: ocisim.Stall, Skip: 2},
		"slow delay=1m30s":                                   {Kind: ocisim.Slow, Delay: 90 * time.Second},
		"half-reply bytes=3 times=1":                         {Kind: ocisim.HalfReply, Bytes: 3, Times: 1},
		"huge-table rows=9 command=Group*":                   {Kind: ocisim.HugeTable, Rows: 9, Command: "Group*"},
		`forced-logout reason="a \"b\" c"`:                   {Kind: ocisim.ForcedLogout, Reason: `a "b" c`},
		`error-after-apply number=1 severity=Info summary=x`: {Kind: ocisim.ErrorAfterApply, Number: 1, Severity: "Info", Summary: "x"},
	} {
		t.Run("parses "+text, func(t *testing.T) {
			got, err := ocisim.ParseFault(text)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
			again, err := ocisim.ParseFault(got.String())
			if diff := cmp.Diff(got, again); err != nil || diff != "" {
				t.Errorf("its text form %q parses differently: %v %s", got, err, diff)
			}
		})
	}
	for text, problems := range map[string][]string{
		"":                                  {`unknown kind ""`},
		"explode":                           {`unknown kind "explode"`},
		"stall delay=1s rows=2":             {"the kind stall takes no delay", "the kind stall takes no rows"},
		"refuse command=x":                  {"the kind refuse takes no command"},
		"slow delay=5 skip=x":               {"parameter delay", "parameter skip"},
		"slow colour=red":                   {`unknown parameter "colour"`},
		"slow delay":                        {`no name=value: "delay"`},
		"stall skip=-1":                     {"no parameter may be negative"},
		"stall command=[":                   {"parameter command"},
		"error-before-apply severity=Fatal": {`"Fatal" is not Error, Warning or Info`},
	} {
		t.Run("rejects "+text, func(t *testing.T) {
			_, err := ocisim.ParseFault(text)
			if err == nil {
				t.Fatal("no error")
			}
			for _, problem := range problems {
				if !strings.Contains(err.Error(), problem) {
					t.Errorf("%q does not contain %q", err, problem)
				}
			}
		})
	}
	t.Run("is the value of a flag", func(t *testing.T) {
		var f ocisim.Fault
		flags := flag.NewFlagSet("test", flag.ContinueOnError)
		flags.TextVar(&f, "fault", ocisim.Fault{}, "")
		if err := flags.Parse([]string{"-fault", "stall times=1"}); err != nil || f.Times != 1 {
			t.Errorf("%+v, %v", f, err)
		}
	})
	t.Run("Inject rejects a fault that is not valid", func(t *testing.T) {
		if _, err := newPlatform(t).Inject(ocisim.Fault{Kind: ocisim.Stall, Rows: 3}); err == nil {
			t.Error("no error")
		}
	})
	t.Run("every kind has a help text and can be injected", func(t *testing.T) {
		p := newPlatform(t)
		for _, k := range ocisim.FaultKinds() {
			if k.Help == "" || len(k.Parameters) < 2 {
				t.Errorf("%+v", k)
			}
			if _, err := p.Inject(ocisim.Fault{Kind: k.Kind}); err != nil {
				t.Error(err)
			}
		}
	})
}

func FuzzParseFault(f *testing.F) {
	f.Add(`forced-logout reason="a \"b\"" skip=1`)
	f.Add("slow delay=1s command=Group*")
	f.Add("refuse x")
	f.Fuzz(func(t *testing.T, text string) {
		fault, err := ocisim.ParseFault(text)
		if err != nil {
			return
		}
		again, err := ocisim.ParseFault(fault.String())
		if diff := cmp.Diff(fault, again); err != nil || diff != "" {
			t.Errorf("%q became %q: %v %s", text, fault, err, diff)
		}
	})
}
