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

// Details have only what there is to say.
func TestDetails(t *testing.T) {
	for want, e := range map[string]errcode.Error{
		"null":                                   {Code: errcode.Internal, Message: "told elsewhere", RetryAfter: time.Second},
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

// What a caller was told of a refused write comes back as it was.
func TestRememberedErrors(t *testing.T) {
	t.Run("are told again", func(t *testing.T) {
		want := &errcode.Error{
			Code: errcode.NotAvailableForAssignment, Message: "m", Entries: []string{"+32"},
			Platform: []errcode.Platform{{Number: 7, Level: "Error", Summary: "R&D <s>", Detail: "d"}},
		}
		got, err := recall(remember(want))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-told +recalled):\n%s", diff)
		}
	})
	t.Run("are none where nothing is promised", func(t *testing.T) {
		for _, e := range []*errcode.Error{nil, errcode.New(errcode.PlatformError), errcode.New(errcode.OutcomeUnknown), errcode.New(errcode.Internal)} {
			if kept := remember(e); kept != nil {
				t.Errorf("%v is kept as %s", e, kept)
			}
		}
		if got, err := recall(nil); got != nil || err != nil {
			t.Errorf("recalled %v, %v", got, err)
		}
	})
	t.Run("that nobody can have written are no answer", func(t *testing.T) {
		for _, kept := range []string{"[]", `{"code":"NO_SUCH_ERROR"}`, "{}"} {
			if got, err := recall(json.RawMessage(kept)); err == nil {
				t.Errorf("%s is recalled as %v", kept, got)
			}
		}
	})
}
