package translate_test

// This file specifies which codes the refusals of the platform have, by number
// and by text. A new case is a refusal in the table of the kind of command: read,
// write or login.

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ocigate/oci"
	"ocigate/translate"
	"ocigate/translate/errcode"
)

func TestReadResult(t *testing.T) {
	own := map[int]*errcode.Code{4999: errcode.TenantNotFound, 4152: errcode.PlatformBusy}
	for name, test := range map[string]struct {
		reply string
		own   map[int]*errcode.Code
		want  *errcode.Code // nil for no error
	}{
		"is nil for a response":                            {answer(ownNumbers, ""), nil, nil},
		"is nil for success":                               {success, nil, nil},
		"has the publicly known numbers":                   {refusal("Error", 4152, "x"), nil, errcode.GroupNotFound},
		"has the number of a service that is not assigned": {refusal("Error", 4410, "x"), nil, errcode.ServiceNotAssigned},
		"hides the gateway's own rights":                   {refusal("Error", 5404, "x"), nil, errcode.PlatformError},
		"hides schema errors":                              {refusal("Error", 6004, "x"), nil, errcode.PlatformError},
		"is a platform error otherwise":                    {refusal("Error", 4999, "x"), nil, errcode.PlatformError},
		"is the same for warnings":                         {refusal("Warning", 4999, "x"), nil, errcode.PlatformError},
		"has the operator's numbers":                       {refusal("Error", 4999, "x"), own, errcode.TenantNotFound},
		"prefers the operator's numbers":                   {refusal("Error", 4152, "x"), own, errcode.PlatformBusy},
		"keeps the publicly known numbers":                 {refusal("Error", 4410, "x"), own, errcode.ServiceNotAssigned},
	} {
		t.Run(name, func(t *testing.T) {
			err := translate.NewPlatformErrors(test.own).ReadResult(one(t, test.reply))
			if test.want == nil {
				if err != nil {
					t.Error(err)
				}
				return
			}
			code(t, err, test.want)
			if refusal, ok := errors.AsType[*oci.ErrorReply](err); !ok || refusal.Number == 0 {
				t.Errorf("the platform's refusal is not in the chain of %v", err)
			}
		})
	}
}

// testPlan is a plan of one step.
var testPlan = &translate.Plan{
	Target:   testGroup,
	Entries:  []translate.Entry{{Kind: "prefixes", Key: "+3201", Given: "+32-01", Start: "+32-01", Step: 1}},
	Steps:    []translate.Step{{Command: oci.NewWrite("GroupThingsAssignRequest"), Entries: []int{0}}},
	Messages: map[*errcode.Code]string{errcode.NotAvailableForAssignment: "The prefix provided is gone."},
}

func TestWriteResult(t *testing.T) {
	own := map[int]*errcode.Code{
		1: errcode.PlatformUnavailable, 2: errcode.OutcomeUnknown, 3: errcode.PlatformTimeout,
		4: errcode.Internal, 5: errcode.NotAvailableForAssignment,
	}
	for name, test := range map[string]struct {
		reply string
		want  *errcode.Code // nil for no error
	}{
		"is nil for success":                                     {success, nil},
		"is not done with a code that promises it":               {refusal("Error", 4410, "x"), errcode.ServiceNotAssigned},
		"is not done with a 503":                                 {refusal("Error", 1, "x"), errcode.PlatformUnavailable},
		"is refused with an unknown number":                      {refusal("Error", 4999, "x"), errcode.PlatformRefused},
		"is refused whose code is a 502":                         {refusal("Error", 6004, "x"), errcode.PlatformRefused},
		"is refused whose code is a 504":                         {refusal("Error", 2, "x"), errcode.PlatformRefused},
		"is refused whose code is a read's 504":                  {refusal("Error", 3, "x"), errcode.PlatformRefused},
		"is refused whose code is a 500":                         {refusal("Error", 4, "x"), errcode.PlatformRefused},
		"is unknown after a warning":                             {refusal("Warning", 4999, "x"), errcode.PlatformError},
		"is unknown after a warning with a number of the table":  {refusal("Warning", 4410, "x"), errcode.PlatformError},
		"is unknown after an information":                        {refusal("Info", 4999, "x"), errcode.PlatformError},
		"is unknown after another response":                      {answer(ownNumbers, ""), errcode.PlatformError},
		"may report that the entries are not available any more": {refusal("Error", 5, "x"), errcode.NotAvailableForAssignment},
	} {
		t.Run(name, func(t *testing.T) {
			err := translate.NewPlatformErrors(own).WriteResult(testPlan, testPlan.Steps[0], one(t, test.reply))
			if test.want == nil {
				if err != nil {
					t.Error(err)
				}
				return
			}
			code(t, err, test.want)
			got := errcode.Of(err)
			if _, refused := errors.AsType[*oci.ErrorReply](err); refused != (len(got.Platform) == 1) {
				t.Errorf("the platform's messages are %v", got.Platform)
			}
			if got.Code == errcode.NotAvailableForAssignment && !strings.HasPrefix(got.Text(), "The prefix provided ") {
				t.Errorf("the text is %q", got.Text())
			}
		})
	}
}

// loginRefused classifies a refusal of a login.
func loginRefused(t *testing.T, table translate.PlatformErrors, reply string) error {
	t.Helper()
	refused, ok := errors.AsType[*oci.ErrorReply](one(t, reply).Err())
	if !ok {
		t.Fatalf("no refusal: %s", reply)
	}
	return table.LoginRefused(refused)
}

func TestLoginRefused(t *testing.T) {
	own := translate.NewPlatformErrors(map[int]*errcode.Code{
		4008: errcode.GroupNotFound, 4998: errcode.Unauthenticated, 4997: errcode.Forbidden, 4996: errcode.PlatformBusy, 6004: errcode.PlatformUnavailable,
	})
	for name, number := range map[string]int{
		"is refused for a wrong password":                        4962,
		"is refused for a disabled account":                      5202,
		"is refused for an unknown user, whatever the table has": 4008,
		"is refused for a number of the table":                   4998,
		"is refused for another number of the table":             4997,
		"is refused for a number that means a busy platform":     4996,
		"is refused for a group that is unknown":                 4152,
		"is refused for a service that is not assigned":          4410,
		"is refused for a transaction that is not authorized":    5404,
		"is refused for an unknown number":                       4999,
		"is refused for credentials that do not fit the schema":  6004,
	} {
		t.Run(name, func(t *testing.T) {
			err := loginRefused(t, own, refusal("Error", number, "x"))
			if !errors.Is(err, translate.ErrNotVerified) {
				t.Errorf("the error is %v", err)
			}
			if refusal, ok := errors.AsType[*oci.ErrorReply](err); !ok || refusal.Number != number {
				t.Errorf("the platform's refusal is not in the chain of %v", err)
			}
		})
	}
	for name, number := range map[string]int{"by its text": 4999, "by a number of the operator": 4997} {
		t.Run("is open where the platform is temporarily unavailable, "+name, func(t *testing.T) {
			own := translate.NewPlatformErrors(map[int]*errcode.Code{4997: errcode.PlatformUnavailable})
			err := loginRefused(t, own, refusal("Error", number, "Service temporarily unavailable"))
			code(t, err, errcode.PlatformUnavailable)
			if errors.Is(err, translate.ErrNotVerified) {
				t.Error("the error is ErrNotVerified")
			}
			if after := errcode.Of(err).RetryAfter; after != 5*time.Second {
				t.Errorf("RetryAfter is %v", after)
			}
		})
	}
	for name, number := range map[string]int{"a wrong password": 4962, "an unknown user": 4008, "a disabled account": 5202} {
		t.Run("is refused for "+name+" whatever the words", func(t *testing.T) {
			err := loginRefused(t, own, refusal("Error", number, "Service temporarily unavailable"))
			if !errors.Is(err, translate.ErrNotVerified) {
				t.Errorf("the error is %v", err)
			}
		})
	}
	t.Run("is refused by a warning, whatever its number", func(t *testing.T) {
		own := translate.NewPlatformErrors(map[int]*errcode.Code{4997: errcode.PlatformUnavailable})
		if err := loginRefused(t, own, refusal("Warning", 4997, "x")); !errors.Is(err, translate.ErrNotVerified) {
			t.Errorf("the error is %v", err)
		}
	})
}

// saying returns a refusal in two languages, whose detail repeats a password.
func saying(severity, local, english string) string {
	return fmt.Sprintf(`<command type=%q echo="" xsi:type="c:ErrorResponse" xmlns:c="C" xmlns="">`+
		`<summary>%s</summary><summaryEnglish>%s</summaryEnglish><detail>password: s3cret</detail></command>`, severity, local, english)
}

func TestTemporaryRefusals(t *testing.T) {
	own := translate.NewPlatformErrors
	restarting := translate.PlatformText{Text: "Is being RESTARTED", Code: errcode.PlatformUnavailable}
	for name, test := range map[string]struct {
		table translate.PlatformErrors
		reply string
		want  bool
	}{
		"have the English text":                       {own(nil), saying("Error", "[Error 1] Panne", "[Error 1] The server is temporarily unavailable"), true},
		"have the text in any language":               {own(nil), saying("Error", "The server is temporarily unavailable", ""), true},
		"have the text in any letter case":            {own(nil), saying("Error", "", "TEMPORARILY Unavailable"), true},
		"have the reason of a forced logout":          {own(nil), saying("Error", "", "Server Connection Failure"), true},
		"have the text of a missing OCS connection":   {own(nil), saying("Error", "", "no_ocs_connection"), true},
		"have a text of the operator":                 {own(nil, restarting), saying("Error", "", "OCS is being restarted."), true},
		"have a number of the operator":               {own(map[int]*errcode.Code{7: errcode.PlatformUnavailable}), saying("Error", "[Error 7] x", ""), true},
		"are not those with another text":             {own(nil), saying("Error", "[Error 1] unavailable", "[Error 1] unavailable"), false},
		"are not those whose number has another code": {own(map[int]*errcode.Code{7: errcode.GroupNotFound}), saying("Error", "[Error 7] temporarily unavailable", ""), false},
		"are not those with another code of the operator": {
			own(nil, translate.PlatformText{Text: "line is temporarily unavailable", Code: errcode.PlatformRefused}),
			saying("Error", "", "The line is temporarily unavailable"), false,
		},
		"are not those with a text in the detail":        {own(nil), saying("Error", "[Error 1] x", ""), false},
		"are not warnings":                               {own(nil), saying("Warning", "", "temporarily unavailable"), false},
		"are not information":                            {own(nil), saying("Info", "", "temporarily unavailable"), false},
		"are not warnings with a number of the operator": {own(map[int]*errcode.Code{7: errcode.PlatformUnavailable}), saying("Warning", "[Warning 7] x", ""), false},
		"are not in an empty table":                      {translate.PlatformErrors{}, saying("Error", "", "temporarily unavailable"), false},
	} {
		t.Run(name, func(t *testing.T) {
			refusal, ok := errors.AsType[*oci.ErrorReply](one(t, test.reply).Err())
			if !ok {
				t.Fatal("the reply of the test has no table")
			}
			if got := test.table.Temporary(refusal); got != test.want {
				t.Errorf("Temporary = %t", got)
			}
		})
	}
}

func TestFirstMatchingTextDecides(t *testing.T) {
	table := translate.NewPlatformErrors(nil,
		translate.PlatformText{Text: "no such group", Code: errcode.GroupNotFound},
		translate.PlatformText{Text: "no such", Code: errcode.TenantNotFound})
	for summary, want := range map[string]*errcode.Code{
		"There is no such group.":  errcode.GroupNotFound,
		"There is no such tenant.": errcode.TenantNotFound,
	} {
		code(t, table.ReadResult(one(t, saying("Error", "", summary))), want)
	}
}

func TestTemporaryRefusalsHaveRetryAfter(t *testing.T) {
	table := translate.NewPlatformErrors(nil)
	reply := one(t, saying("Error", "Panne", "Temporarily unavailable"))
	for name, err := range map[string]error{"of a read": table.ReadResult(reply), "of a write": table.WriteResult(testPlan, testPlan.Steps[0], reply)} {
		t.Run(name, func(t *testing.T) {
			code(t, err, errcode.PlatformUnavailable)
			got := errcode.Of(err)
			if got.RetryAfter != 5*time.Second {
				t.Errorf("RetryAfter is %v", got.RetryAfter)
			}
			if len(got.Platform) != 1 || got.Platform[0].Summary != "Panne" {
				t.Errorf("the platform's messages are %v", got.Platform)
			}
		})
	}
	for _, severity := range []string{"Warning", "Info"} {
		t.Run("but not a write that may be done: "+severity, func(t *testing.T) {
			err := table.WriteResult(testPlan, testPlan.Steps[0], one(t, saying(severity, "", "Temporarily unavailable")))
			code(t, err, errcode.PlatformError)
			if after := errcode.Of(err).RetryAfter; after != 0 {
				t.Errorf("RetryAfter is %v", after)
			}
		})
	}
}

// The text of a warning does not decide what was done.
func TestWarningsAndInformationMatchNoText(t *testing.T) {
	table := translate.NewPlatformErrors(nil)
	for _, severity := range []string{"Warning", "Info"} {
		reply := saying(severity, "temporarily unavailable", "temporarily unavailable")
		t.Run(severity+" of a read", func(t *testing.T) { code(t, table.ReadResult(one(t, reply)), errcode.PlatformError) })
		t.Run(severity+" of a login", func(t *testing.T) {
			if err := loginRefused(t, table, reply); !errors.Is(err, translate.ErrNotVerified) {
				t.Errorf("the error is %v", err)
			}
		})
	}
}

func TestPrefixOfSummaryMatchesNoText(t *testing.T) {
	texts := []translate.PlatformText{{Text: "error", Code: errcode.PlatformBusy}, {Text: "erreur 4999", Code: errcode.PlatformBusy}}
	table := translate.NewPlatformErrors(nil, texts...)
	for summary, want := range map[string]*errcode.Code{
		"[Error 4999] no":                      errcode.PlatformError,
		"[Erreur 4999] non":                    errcode.PlatformError,
		" [Error 4999] no":                     errcode.PlatformError,
		"[Error 4999]":                         errcode.PlatformError,
		"[Error 4999] an internal error":       errcode.PlatformBusy,
		"[Error 4999] no [Error]":              errcode.PlatformBusy,
		"An error [of ours]":                   errcode.PlatformBusy,
		"[An error":                            errcode.PlatformBusy,
		"[Error 4999] temporarily unavailable": errcode.PlatformUnavailable,
	} {
		t.Run(summary, func(t *testing.T) {
			code(t, table.ReadResult(one(t, saying("Error", summary, ""))), want)
			code(t, table.ReadResult(one(t, saying("Error", "", summary))), want)
		})
	}
}

// A value that the caller has chosen is not a text of the platform.
func TestValuesOfTheRequestMatchNoText(t *testing.T) {
	table := translate.NewPlatformErrors(nil, translate.PlatformText{Text: "Out of order", Code: errcode.PlatformBusy})
	for name, test := range map[string]struct {
		summary string
		values  []string
		want    *errcode.Code
	}{
		"unchanged":                 {"No such group: temporarily unavailable", []string{"temporarily unavailable"}, errcode.PlatformError},
		"in another letter case":    {"No such group: TEMPORARILY UNAVAILABLE", []string{"Temporarily unAvailable"}, errcode.PlatformError},
		"with blanks that collapse": {"No such user: temporarily unavailable", []string{" temporarily \t unavailable "}, errcode.PlatformError},
		"as a part of the text":     {"No such group: T:NO_OCS_CONNECTIONx", []string{"T", "NO_OCS_CONNECTIONx"}, errcode.PlatformError},
		"twice":                     {"NO_OCS_CONNECTION: NO_OCS_CONNECTION is unknown", []string{"NO_OCS_CONNECTION"}, errcode.PlatformError},
		"that overlaps itself":      {"xout of order out of order out of orderx", []string{"out of order out of order"}, errcode.PlatformError},
		"consisting of two values":  {"No such group: temporarily unavailable", []string{"temporarily", "unavailable"}, errcode.PlatformError},
		"in a text of the operator": {"No such group: out of order", []string{"out of order"}, errcode.PlatformError},

		"but the platform's own words next to it do":    {"out of order: is Out of Order", []string{"out of order:"}, errcode.PlatformBusy},
		"but a part of a word is not a value":           {"Temporarily unavailable", []string{"e", "a", "unavailable"}, errcode.PlatformUnavailable},
		"but a value of a word is not the whole text":   {"Server Connection Failure", []string{"server", "connection"}, errcode.PlatformUnavailable},
		"but an empty value has no effect":              {"Temporarily unavailable", []string{"", " "}, errcode.PlatformUnavailable},
		"but a value outside the summary has no effect": {"Temporarily unavailable", []string{"temporarily unavailable for ever"}, errcode.PlatformUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			code(t, table.ReadResult(one(t, saying("Error", test.summary, "")), test.values...), test.want)
			code(t, table.ReadResult(one(t, saying("Error", "", test.summary)), test.values...), test.want)
		})
	}
}

// A failed login is counted, whatever the user id is.
func TestUserIDOfALoginMatchesNoText(t *testing.T) {
	table := translate.NewPlatformErrors(nil)
	refuse := func(summary string, userID ...string) error {
		refusal, ok := errors.AsType[*oci.ErrorReply](one(t, saying("Error", "", summary)).Err())
		if !ok {
			t.Fatal("the reply of the test has no table")
		}
		return table.LoginRefused(refusal, userID...)
	}
	const user = "nosuch temporarily unavailable"
	if err := refuse("The account "+user+" is unknown", user); !errors.Is(err, translate.ErrNotVerified) {
		t.Errorf("the error is %v", err)
	}
	code(t, refuse("The account "+user+" is temporarily unavailable", user), errcode.PlatformUnavailable)
	code(t, refuse("The account is temporarily unavailable"), errcode.PlatformUnavailable)
}

func TestRefusedLoginsShowNoTextOfThePlatform(t *testing.T) {
	table := translate.NewPlatformErrors(map[int]*errcode.Code{7: errcode.PlatformRefused, 8: errcode.NotAvailableForAssignment})
	for name, summary := range map[string]string{
		"for wrong credentials":               "[Error 4962] Invalid password of root",
		"for an unknown reason":               "[Error 1] no, root",
		"because the account has no right":    "[Error 5404] Unauthorized, root",
		"because of the schema":               "[Error 6004] Invalid, root",
		"because the platform is unavailable": "Temporarily unavailable, root",
		"for a reason of the operator":        "[Error 7] no, root",
		"for a reason with its own text":      "[Error 8] no, root",
	} {
		t.Run(name, func(t *testing.T) {
			refusal, ok := errors.AsType[*oci.ErrorReply](one(t, saying("Error", summary, summary)).Err())
			if !ok {
				t.Fatal("the reply of the test has no table")
			}
			err := table.LoginRefused(refusal)
			got := errcode.Of(err)
			if len(got.Platform) != 0 || strings.Contains(got.Text(), "root") {
				t.Errorf("the caller gets %q and %v", got.Text(), got.Platform)
			}
			if !strings.Contains(err.Error(), "root") || strings.Contains(err.Error(), "s3cret") {
				t.Errorf("the log has %q", err)
			}
		})
	}
}
func TestCodesOfTheTable(t *testing.T) {
	known := translate.NewPlatformErrors(nil).Codes()
	want := []*errcode.Code{errcode.GroupNotFound, errcode.ServiceNotAssigned, errcode.PlatformError, errcode.PlatformUnavailable, errcode.UserNotFound}
	if diff := cmp.Diff(want, known); diff != "" {
		t.Errorf("known publicly (-want +got):\n%s", diff)
	}
	own := translate.NewPlatformErrors(
		map[int]*errcode.Code{1: errcode.Forbidden, 2: errcode.Forbidden},
		translate.PlatformText{Text: "busy", Code: errcode.PlatformBusy},
	).Codes()
	for _, code := range []*errcode.Code{errcode.Forbidden, errcode.PlatformBusy} {
		if n := len(slices.DeleteFunc(slices.Clone(own), func(c *errcode.Code) bool { return c != code })); n != 1 {
			t.Errorf("%s is listed %d times", code.Name, n)
		}
	}
}
