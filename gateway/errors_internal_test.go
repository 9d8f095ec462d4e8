package gateway

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ocigate/translate/errcode"
)

func TestSecondsAreRoundedUp(t *testing.T) {
	for wait, want := range map[time.Duration]string{
		time.Millisecond: "1", time.Second: "1", time.Second + time.Millisecond: "2", time.Minute: "60",
	} {
		if got := seconds(wait); got != want {
			t.Errorf("%v: %s, want %s", wait, got, want)
		}
	}
}

// Details have only the facts of the error.
func TestDetails(t *testing.T) {
	for want, e := range map[string]errcode.Error{
		"null":                                   {Code: errcode.Internal, Message: "not a detail", RetryAfter: time.Second},
		`{"entries":["+32"]}`:                    {Entries: []string{"+32"}},
		`{"operation":"/api/v1/operations/id/"}`: {Operation: "id"},
		`{"problems":[{"pointer":"","reason":"a"},{"pointer":"/x","reason":"b"},{"parameter":"p","reason":"c"}]}`: {
			Problems: []errcode.Problem{{Reason: "a"}, {Pointer: "/x", Reason: "b"}, {Parameter: "p", Reason: "c"}},
		},
		`{"errors":{"0":{"error_code":7,"level":"Error","summary":"s","detail":"d"},"1":{"level":"Warning","summary":"","detail":""}}}`: {
			Platform: []errcode.Platform{{Number: 7, Level: "Error", Summary: "s", Detail: "d"}, {Level: "Warning"}},
		},
		`{"entries":["a","b"],"operation":"/api/v1/operations/id/","problems":[{"pointer":"","reason":"r"}],"errors":{"0":{"level":"","summary":"","detail":""}}}`: {
			Entries: []string{"a", "b"}, Operation: "id", Problems: []errcode.Problem{{Reason: "r"}}, Platform: []errcode.Platform{{}},
		},
	} {
		got, err := json.Marshal(detailOf(&e))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, string(got)); diff != "" {
			t.Errorf("details (-want +got):\n%s", diff)
		}
	}
}

// The stored error of a refused write is the same when it is decoded.
func TestStoredErrors(t *testing.T) {
	t.Run("are decoded unchanged", func(t *testing.T) {
		want := &errcode.Error{
			Code: errcode.NotAvailableForAssignment, Message: "m", Entries: []string{"+32"},
			Platform: []errcode.Platform{{Number: 7, Level: "Error", Summary: "R&D <s>", Detail: "d"}},
		}
		got, err := decodeError(encodeError(want))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-encoded +decoded):\n%s", diff)
		}
	})
	t.Run("are none without a promise", func(t *testing.T) {
		for _, e := range []*errcode.Error{nil, errcode.New(errcode.PlatformError), errcode.New(errcode.OutcomeUnknown), errcode.New(errcode.Internal)} {
			if stored := encodeError(e); stored != nil {
				t.Errorf("%v is stored as %s", e, stored)
			}
		}
		if got, err := decodeError(nil); got != nil || err != nil {
			t.Errorf("decoded %v, %v", got, err)
		}
	})
	t.Run("that are invalid are reported", func(t *testing.T) {
		for _, stored := range []string{"[]", `{"code":"NO_SUCH_ERROR"}`, "{}"} {
			if got, err := decodeError(json.RawMessage(stored)); err == nil {
				t.Errorf("%s is decoded as %v", stored, got)
			}
		}
	})
}
