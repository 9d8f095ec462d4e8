package translate_test

import (
	"errors"
	"strings"
	"testing"

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
		"is nil for an answer":                     {answer(ownNumbers, ""), nil, nil},
		"is nil for success":                       {success, nil, nil},
		"knows the publicly known numbers":         {refusal("Error", 4152, "x"), nil, errcode.GroupNotFound},
		"knows that a service is not assigned":     {refusal("Error", 4410, "x"), nil, errcode.ServiceNotAssigned},
		"keeps the gateway's own rights to itself": {refusal("Error", 5404, "x"), nil, errcode.PlatformError},
		"keeps schema errors to itself":            {refusal("Error", 6004, "x"), nil, errcode.PlatformError},
		"is the platform's fault otherwise":        {refusal("Error", 4999, "x"), nil, errcode.PlatformError},
		"takes warnings for refusals":              {refusal("Warning", 4999, "x"), nil, errcode.PlatformError},
		"knows the operator's numbers":             {refusal("Error", 4999, "x"), own, errcode.TenantNotFound},
		"prefers the operator's numbers":           {refusal("Error", 4152, "x"), own, errcode.PlatformBusy},
		"does not lose the others beside them":     {refusal("Error", 4410, "x"), own, errcode.ServiceNotAssigned},
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

func TestWriteResult(t *testing.T) {
	own := map[int]*errcode.Code{
		1: errcode.PlatformUnavailable, 2: errcode.OutcomeUnknown, 3: errcode.PlatformTimeout,
		4: errcode.Internal, 5: errcode.NotAvailableForAssignment,
	}
	for name, test := range map[string]struct {
		reply string
		want  *errcode.Code // nil for no error
	}{
		"is nil for success":                           {success, nil},
		"is not done with a code that says so":         {refusal("Error", 4410, "x"), errcode.ServiceNotAssigned},
		"is not done with a 503":                       {refusal("Error", 1, "x"), errcode.PlatformUnavailable},
		"is refused with an unknown number":            {refusal("Error", 4999, "x"), errcode.PlatformRefused},
		"is refused whose code is a 502":               {refusal("Error", 6004, "x"), errcode.PlatformRefused},
		"is refused whose code is a 504":               {refusal("Error", 2, "x"), errcode.PlatformRefused},
		"is refused whose code is a read's 504":        {refusal("Error", 3, "x"), errcode.PlatformRefused},
		"is refused whose code is a 500":               {refusal("Error", 4, "x"), errcode.PlatformRefused},
		"is open after a warning":                      {refusal("Warning", 4999, "x"), errcode.PlatformError},
		"is open after a warning with a known number":  {refusal("Warning", 4410, "x"), errcode.PlatformError},
		"is open after an information":                 {refusal("Info", 4999, "x"), errcode.PlatformError},
		"is open after an answer of another kind":      {answer(ownNumbers, ""), errcode.PlatformError},
		"may say that the entries are no longer there": {refusal("Error", 5, "x"), errcode.NotAvailableForAssignment},
	} {
		t.Run(name, func(t *testing.T) {
			itc := newPlatform(t).service(remembering)
			plan, err := planned(t, itc.AssignPrefixes(), testGroup, goodBodies["assign prefixes"])
			if err != nil {
				t.Fatal(err)
			}
			err = translate.NewPlatformErrors(own).WriteResult(plan, one(t, test.reply))
			if test.want == nil {
				if err != nil {
					t.Error(err)
				}
				return
			}
			code(t, err, test.want)
			got := errcode.Of(err)
			if _, refused := errors.AsType[*oci.ErrorReply](err); refused != (len(got.Platform) == 1) {
				t.Errorf("the platform's words are %v", got.Platform)
			}
			if got.Code == errcode.NotAvailableForAssignment && !strings.HasPrefix(got.Text(), "The prefix provided ") {
				t.Errorf("the text is %q", got.Text())
			}
		})
	}
}

func TestIdentity(t *testing.T) {
	const whole = `<loginType>Group</loginType><locale>en_US</locale><encoding>ISO-8859-1</encoding><groupId>g</groupId>` +
		`<serviceProviderId>sp</serviceProviderId><isEnterprise>false</isEnterprise><passwordExpiresDays>3</passwordExpiresDays><userId>u@d</userId>`
	const verify = "AuthenticationVerifyRequest22V4"
	own := translate.NewPlatformErrors(map[int]*errcode.Code{4008: errcode.GroupNotFound, 4998: errcode.Unauthenticated})
	for name, test := range map[string]struct {
		reply string
		want  oci.Identity
	}{
		"is the answer's":                          {answer(verify, whole), oci.Identity{UserID: "u@d", LoginType: "Group", ServiceProviderID: "sp", GroupID: "g", PasswordExpiresDays: new(3)}},
		"is the login's where the answer is brief": {answer(verify, "<loginType>System</loginType>"), oci.Identity{UserID: "u", LoginType: "System"}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := own.Identity("u", one(t, test.reply))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error("(-want +got)\n" + diff)
			}
		})
	}
	for name, number := range map[string]int{
		"is refused for a wrong password":                   4962,
		"is refused for a disabled account":                 5202,
		"is refused for an unknown user whatever the table": 4008,
		"is refused for a number that the table says so of": 4998,
		"is refused for an unknown number":                  4999,
	} {
		t.Run(name, func(t *testing.T) {
			got, err := own.Identity("u", one(t, refusal("Error", number, "x")))
			if !errors.Is(err, translate.ErrNotVerified) {
				t.Errorf("the error is %v", err)
			}
			if refusal, ok := errors.AsType[*oci.ErrorReply](err); !ok || refusal.Number != number {
				t.Errorf("the platform's refusal is not in the chain of %v", err)
			}
			if got != (oci.Identity{}) {
				t.Errorf("got %v", got)
			}
		})
	}
	for name, reply := range map[string]string{
		"is open where the gateway lacks the right":   refusal("Error", 5404, "x"),
		"is open where the release lacks the command": refusal("Error", 6004, "x"),
		"is open without a login type":                answer(verify, "<userId>u</userId>"),
		"is open with days that are no number":        answer(verify, "<loginType>User</loginType><passwordExpiresDays>soon</passwordExpiresDays>"),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := own.Identity("u", one(t, reply))
			code(t, err, errcode.PlatformError)
			if errors.Is(err, translate.ErrNotVerified) {
				t.Error("the credentials are taken for wrong")
			}
		})
	}
}

func TestVerifyCommand(t *testing.T) {
	got := translate.VerifyCommand("u@d", "s<cret")
	if want := "<userId>u@d</userId><password>s&lt;cret</password>"; writeXML(got.Elements()) != want {
		t.Errorf("got %s", writeXML(got.Elements()))
	}
}
