package errcode_test

// This file specifies the codes and the texts of errors. TestCodes checks every
// code; a documented one is also listed in TestDocumentedCodes.

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ocigate/translate/errcode"
)

func TestCodes(t *testing.T) {
	constant := regexp.MustCompile(`^[A-Z]+(_[A-Z]+)*$`)
	numbers, names := map[int]string{}, map[string]int{}
	last := 0
	for c := range errcode.All() {
		if c.Number <= last {
			t.Errorf("%s: number %d does not come after %d", c.Name, c.Number, last)
		}
		last = c.Number
		if other, taken := numbers[c.Number]; taken {
			t.Errorf("%s and %s share number %d", c.Name, other, c.Number)
		}
		if _, taken := names[c.Name]; taken {
			t.Errorf("name %s is declared twice", c.Name)
		}
		numbers[c.Number], names[c.Name] = c.Name, c.Number
		if !constant.MatchString(c.Name) {
			t.Errorf("name %q is not of the form LIKE_THIS", c.Name)
		}
		if c.Status < 400 || c.Status > 599 {
			t.Errorf("%s: status %d is not an error's", c.Name, c.Status)
		}
		if c.Text == "" || c.Help == "" {
			t.Errorf("%s: text or help is empty", c.Name)
		}
		checkParties(t, c)
		if found, ok := errcode.ByName(c.Name); !ok || found != c {
			t.Errorf("ByName(%q) = %v, %v", c.Name, found, ok)
		}
	}
	if len(numbers) == 0 {
		t.Error("there are no codes")
	}
	if _, ok := errcode.ByName("internal"); ok {
		t.Error("ByName ignores letter case")
	}
}

// checkParties requires that a code names who can remove its cause, each party once,
// and that a failure of the gateway is for its operator.
func checkParties(t *testing.T, c *errcode.Code) {
	t.Helper()
	known := []errcode.Party{errcode.Caller, errcode.TenantAdmin, errcode.GatewayOperator, errcode.PlatformOperator}
	if len(c.FixedBy) == 0 {
		t.Errorf("%s: no person is named who can remove the cause", c.Name)
	}
	for i, party := range c.FixedBy {
		if !slices.Contains(known, party) || slices.Contains(c.FixedBy[:i], party) {
			t.Errorf("%s: the party %q is unknown or listed twice", c.Name, party)
		}
	}
	if c.Status == http.StatusInternalServerError && !slices.Contains(c.FixedBy, errcode.GatewayOperator) {
		t.Errorf("%s: a failure of the gateway is not for its operator", c.Name)
	}
}

// The documents of the API family fix these; clients depend on them.
func TestDocumentedCodes(t *testing.T) {
	type documented struct {
		Number, Status int
		Name           string
	}
	want := []documented{
		{2, 400, "INVALID_PARAMETERS"},
		{3, 400, "JSON_SCHEMA_VALIDATION"},
		{19, 400, "NOT_AVAILABLE_FOR_ASSIGNMENT"},
		{42, 400, "NOT_AVAILABLE_IN_SP_MODE"},
		{46, 400, "NOT_AVAILABLE_IN_ENTERPRISE_MODE"},
	}
	var got []documented
	for c := range errcode.All() {
		if c.Number < 1000 {
			got = append(got, documented{c.Number, c.Status, c.Name})
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error("(-want +got)\n" + diff)
	}
	for code, text := range map[*errcode.Code]string{
		errcode.NotAvailableForAssignment:    "The number range or prefix provided is not available to the groups of this Tenant.",
		errcode.NotAvailableInSPMode:         "This API is not available in SP Mode.",
		errcode.NotAvailableInEnterpriseMode: "This API is not available in Enterprise Mode.",
	} {
		if code.Text != text {
			t.Errorf("%s: text is %q", code.Name, code.Text)
		}
	}
}

func TestErrorText(t *testing.T) {
	problems := []errcode.Problem{
		{Parameter: "tenant_id", Reason: "must not be empty"},
		{Pointer: "/numbers/0", Reason: "must be an object, not null"},
		{Reason: "must be valid UTF-8"},
	}
	for name, test := range map[string]struct {
		err  *errcode.Error
		want string
	}{
		"is the code's own":                          {errcode.New(errcode.ServiceNotAssigned), "The service is not assigned to this group."},
		"names every problem":                        {errcode.Invalid(errcode.InvalidParameters, problems...), "tenant_id must not be empty; /numbers/0 must be an object, not null; the body must be valid UTF-8."},
		"is the message of the error, if it has one": {&errcode.Error{Code: errcode.BadMediaType, Message: "Send an object.", Problems: problems}, "Send an object."},
		"does not show the cause":                    {errcode.Wrap(errcode.Internal, io.ErrUnexpectedEOF), "The gateway failed."},
	} {
		t.Run(name, func(t *testing.T) {
			if got := test.err.Text(); got != test.want {
				t.Errorf("Text() = %q, want %q", got, test.want)
			}
		})
	}
}

func TestErrorForTheLog(t *testing.T) {
	if got := errcode.New(errcode.Forbidden).Error(); got != "FORBIDDEN: You may not do this here." {
		t.Errorf("Error() = %q", got)
	}
	err := errcode.Wrap(errcode.Internal, io.ErrUnexpectedEOF)
	if got := err.Error(); got != "INTERNAL: unexpected EOF" {
		t.Errorf("Error() = %q", got)
	}
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Error("the cause is not in the chain")
	}
}

func TestOf(t *testing.T) {
	t.Run("finds the error in a chain", func(t *testing.T) {
		want := errcode.New(errcode.GroupNotFound)
		if got := errcode.Of(fmt.Errorf("asking: %w", want)); got != want {
			t.Errorf("Of = %v", got)
		}
	})
	t.Run("wraps any other error in an internal one", func(t *testing.T) {
		got := errcode.Of(io.ErrUnexpectedEOF)
		if got.Code != errcode.Internal || !errors.Is(got, io.ErrUnexpectedEOF) {
			t.Errorf("Of = %v", got)
		}
	})
}
