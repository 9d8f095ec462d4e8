package itc_test

// This file specifies the reasons for which entries are rejected, and how they
// are read. A new reason is an entry in the table of TestEachEntryHasItsReason.

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"ocigate/oci"
	"ocigate/translate"
	"ocigate/translate/errcode"
)

// refused plans a change that is rejected with code 19, and returns the entries and
// problems of the error, each problem as "place reason".
func refused(t *testing.T, p *platform, change, body string) (entries, problems []string) {
	t.Helper()
	plan, err := planned(t, changes(p.service(longTTL))[change], testGroup, body)
	code(t, err, errcode.NotAvailableForAssignment)
	if plan != nil {
		t.Errorf("planned %v", plan)
	}
	got := errcode.Of(err)
	for _, problem := range got.Problems {
		problems = append(problems, problem.String())
	}
	if want := "is not available to the groups of this Tenant."; !strings.HasSuffix(got.Text(), want) {
		t.Errorf("the message is %q", got.Text())
	}
	return got.Entries, problems
}

func TestEachEntryHasItsReason(t *testing.T) {
	for name, test := range map[string]struct {
		change, body string
		want         []string
		asked        bool // for the reasons
	}{
		"a range that the tenant does not have": {"assign numbers", `{"numbers":[{"minPhoneNumber":"+3299"}]}`,
			[]string{"/numbers/0/minPhoneNumber is not the start of a number range that the tenant has"}, true},
		"a number inside a range": {"assign numbers", `{"numbers":[{"minPhoneNumber":"+3225127001"}]}`,
			[]string{"/numbers/0/minPhoneNumber is not the start of a number range that the tenant has"}, true},
		"a range of another group": {"assign numbers", `{"numbers":[{"minPhoneNumber":"+3225129000","maxPhoneNumber":"+3225129001"}]}`,
			[]string{"/numbers/0/minPhoneNumber is assigned to another group"}, true},
		"a range of the group": {"assign numbers", `{"numbers":[{"minPhoneNumber":"+32 26127007"}]}`,
			[]string{"/numbers/0/minPhoneNumber is already assigned to this group"}, true},
		"another end of a free range": {"assign numbers", `{"numbers":[{"minPhoneNumber":"+3225127000","maxPhoneNumber":"+3225127009"}]}`,
			[]string{"/numbers/0/maxPhoneNumber is not the end of its range, which ends at +3225127999"}, false},
		"a range to remove that the tenant does not have": {"remove numbers", `{"numbers":[{"minPhoneNumber":"+3226127001"}]}`,
			[]string{"/numbers/0/minPhoneNumber is not the start of a number range that the tenant has"}, true},
		"a range to remove that is another group's": {"remove numbers", `{"numbers":[{"minPhoneNumber":"+3225129000","maxPhoneNumber":"+3225129001"}]}`,
			[]string{"/numbers/0/minPhoneNumber is assigned to another group"}, true},
		"a range to remove that is free": {"remove numbers", `{"numbers":[{"minPhoneNumber":"+3225127000","maxPhoneNumber":"+3225127009"}]}`,
			[]string{"/numbers/0/minPhoneNumber is not assigned to this group"}, true},
		"another end of a range to remove": {"remove numbers", `{"numbers":[{"minPhoneNumber":"+3226127000","maxPhoneNumber":"+3226127001"}]}`,
			[]string{"/numbers/0/maxPhoneNumber is not the end of its range, which ends at +3226127002"}, false},
		"several ranges, each with its reason": {"assign numbers",
			`{"numbers":[{"minPhoneNumber":"+3225129000"},{"minPhoneNumber":"+3225126999"},{"minPhoneNumber":"+3225127000","maxPhoneNumber":"+3225127009"},` +
				`{"minPhoneNumber":"+3299"},{"minPhoneNumber":"+3226127000"}]}`,
			[]string{
				"/numbers/0/minPhoneNumber is assigned to another group",
				"/numbers/2/maxPhoneNumber is not the end of its range, which ends at +3225127999",
				"/numbers/3/minPhoneNumber is not the start of a number range that the tenant has",
				"/numbers/4/minPhoneNumber is already assigned to this group",
			}, true},
		"several prefixes, each with its reason": {"assign prefixes", `{"prefixes":[{"prefix":"+32-06"},{"prefix":"+32-04"},{"prefix":"+32-05"}]}`,
			[]string{"/prefixes/1/prefix is assigned to another group", "/prefixes/2/prefix is not a prefix that the tenant has"}, true},
		"several prefixes to remove, each with its reason": {"remove prefixes", `{"prefixes":[{"prefix":"+32-05"},{"prefix":"+32-01"},{"prefix":"+3203"},{"prefix":"+32-04"}]}`,
			[]string{
				"/prefixes/0/prefix is not a prefix that the tenant has",
				"/prefixes/2/prefix is not assigned to this group",
				"/prefixes/3/prefix is assigned to another group",
			}, true},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlatform(t)
			entries, problems := refused(t, p, test.change, test.body)
			if diff := cmp.Diff(test.want, problems); diff != "" {
				t.Error("(-want +got)\n" + diff)
			}
			if len(entries) != len(problems) {
				t.Errorf("%d entries are named: %q", len(entries), entries)
			}
			documents := 1
			if test.asked {
				documents = 2
			}
			if len(p.Asked) != documents {
				t.Errorf("read %v", p.Asked)
			}
		})
	}
}

func TestReasonsReadTheTenantsListAlone(t *testing.T) {
	for change, want := range map[string]string{
		"assign numbers": allNumbers, "remove numbers": allNumbers, "assign prefixes": allPrefixes, "remove prefixes": allPrefixes,
	} {
		t.Run(change, func(t *testing.T) {
			p := newPlatform(t)
			refused(t, p, change, unknownBodies[change])
			if got := p.Asked[len(p.Asked)-1]; got != want {
				t.Errorf("read %s", got)
			}
			if got := writeXML(p.Sent[len(p.Sent)-1].Elements()); got != "<serviceProviderId>ApioSpTest</serviceProviderId>" {
				t.Errorf("sent with %s", got)
			}
		})
	}
}

// The general reasons are true of the first reading.
func TestReasonsThatCannotBeReadAreGeneral(t *testing.T) {
	bodies := map[string]string{
		"assign numbers":  `{"numbers":[{"minPhoneNumber":"+3225126999"},{"minPhoneNumber":"+3225129000"}]}`,
		"remove numbers":  `{"numbers":[{"minPhoneNumber":"+3226127000"},{"minPhoneNumber":"+3225129000"}]}`,
		"assign prefixes": `{"prefixes":[{"prefix":"+32-06"},{"prefix":"+32-04"}]}`,
		"remove prefixes": `{"prefixes":[{"prefix":"+32-01"},{"prefix":"+32-04"}]}`,
	}
	want := map[string]string{
		"assign numbers":  "/numbers/1/minPhoneNumber is not free in the tenant",
		"remove numbers":  "/numbers/1/minPhoneNumber is not assigned to this group",
		"assign prefixes": "/prefixes/1/prefix is not free in the tenant",
		"remove prefixes": "/prefixes/1/prefix is not assigned to this group",
	}
	numbers := func(columns string, rows ...string) string {
		return answer(allNumbers, table("numberRangeSummaryTable", columns, rows...))
	}
	prefixes := func(columns string, rows ...string) string {
		return answer(allPrefixes, table("prefixSummaryTable", columns, rows...))
	}
	same := func(reply string) map[string]string { return map[string]string{allNumbers: reply, allPrefixes: reply} }
	for name, test := range map[string]struct {
		answers map[string]string
		err     error
	}{
		"because the platform refuses":            {answers: same(refusal("Error", 4999, "no"))},
		"because the account has no right":        {answers: same(refusal("Error", 5404, "Unauthorized"))},
		"because the release has no such command": {answers: same(refusal("Error", 6004, "Invalid"))},
		"because the reply has no table":          {answers: same(answer(allNumbers, ""))},
		"because the table has no groups": {answers: map[string]string{
			allNumbers: numbers("Number Range Start|Is Active", "+32-25129000|true"), allPrefixes: prefixes("Number Prefix|Is Active", "+32-04|true"),
		}},
		"because the table has no starts": {answers: map[string]string{
			allNumbers: numbers("Group Id", "ApioGrpOther"), allPrefixes: prefixes("Group Id", "ApioGrpOther"),
		}},
		"because the reply is lost":        {err: &oci.LostError{Err: errors.New("reset")}},
		"because all sessions are in use":  {err: oci.ErrBusy},
		"because the platform is too slow": {err: fmt.Errorf("asking: %w", context.DeadlineExceeded)},
		"because there is no session":      {err: &oci.UnavailableError{Err: errors.New("refused")}},
		"because no session was ever open": {err: &oci.UnsentError{Err: errors.New("closed")}},
	} {
		for change, body := range bodies {
			t.Run(name+"/"+change, func(t *testing.T) {
				p := newPlatform(t)
				maps.Copy(p.Answers, test.answers)
				p.Err[allNumbers], p.Err[allPrefixes] = test.err, test.err
				entries, problems := refused(t, p, change, body)
				if diff := cmp.Diff([]string{want[change]}, problems); diff != "" {
					t.Error("(-want +got)\n" + diff)
				}
				if len(entries) != 1 {
					t.Errorf("named are %q", entries)
				}
			})
		}
	}
}

// A change between the two readings does not contradict the first.
func TestReasonsThatAreOutOfDateAreGeneral(t *testing.T) {
	for change, test := range map[string]struct{ holder, want string }{
		"assign numbers": {"", "/numbers/0/minPhoneNumber is not free in the tenant"},
		"remove numbers": {"ApioGrpTest", "/numbers/0/minPhoneNumber is not assigned to this group"},
	} {
		t.Run(change, func(t *testing.T) {
			p := newPlatform(t)
			p.Answers[allNumbers] = answer(allNumbers, table("numberRangeSummaryTable", allNumberColumns, "+32-25129000|+32-25129009|"+test.holder+"|true|"))
			_, problems := refused(t, p, change, `{"numbers":[{"minPhoneNumber":"+3225129000"}]}`)
			if diff := cmp.Diff([]string{test.want}, problems); diff != "" {
				t.Error("(-want +got)\n" + diff)
			}
		})
	}
}

func TestReasonWithoutEndColumn(t *testing.T) {
	p := newPlatform(t)
	p.Answers[tenantNumbers] = answer(tenantNumbers, table("availableNumberRangeTable", "Number Range Start", "+32-25126999"))
	_, problems := refused(t, p, "assign numbers", goodBodies["assign numbers"])
	if diff := cmp.Diff([]string{"/numbers/0/maxPhoneNumber is not the end of its range"}, problems); diff != "" {
		t.Error("(-want +got)\n" + diff)
	}
}

// leaving is a platform whose caller disconnects when the reasons are read.
type leaving struct {
	*platform
	leave context.CancelFunc
}

func (l leaving) Read(ctx context.Context, commands ...oci.Read) ([]oci.Reply, error) {
	if commands[0].Name() == allNumbers {
		l.leave()
		return nil, ctx.Err()
	}
	return l.platform.Read(ctx, commands...)
}

func TestReasonsOfADisconnectedCaller(t *testing.T) {
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	if err := unknownRange(ctx, t, leaving{newPlatform(t), leave}); !errors.Is(err, context.Canceled) {
		t.Errorf("the error is %v", err)
	}
}

// slow is a platform that replies to the reading of the reasons after a time, or
// fails if the caller does not wait that long.
type slow struct {
	*platform
	delay time.Duration
}

func (s slow) Read(ctx context.Context, commands ...oci.Read) ([]oci.Reply, error) {
	if commands[0].Name() == allNumbers {
		select {
		case <-time.After(s.delay):
		case <-ctx.Done():
			return nil, fmt.Errorf("asking: %w", context.Cause(ctx))
		}
	}
	return s.platform.Read(ctx, commands...)
}

func TestReasonsHaveATimeout(t *testing.T) {
	const general, read = "is not free in the tenant", "is not the start of a number range that the tenant has"
	var without time.Duration
	for name, test := range map[string]struct {
		deadline, delay time.Duration
		took            time.Duration
		reason          string
	}{
		"of a caller without a deadline":                 {without, time.Hour, 3 * time.Second, general},
		"of a caller with time":                          {time.Minute, time.Hour, 3 * time.Second, general},
		"of a caller without much time":                  {4 * time.Second, time.Hour, 2 * time.Second, general},
		"of a caller without much time, who still waits": {4 * time.Second, 2*time.Second - 1, 2*time.Second - 1, read},
		"of a caller who still waits":                    {without, 3*time.Second - 1, 3*time.Second - 1, read},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx := t.Context()
				if test.deadline != without {
					limited, cancel := context.WithTimeout(ctx, test.deadline)
					defer cancel()
					ctx = limited
				}
				began := time.Now()
				err := unknownRange(ctx, t, slow{newPlatform(t), test.delay})
				if took := time.Since(began); took != test.took {
					t.Errorf("it took %v, want %v", took, test.took)
				}
				code(t, err, errcode.NotAvailableForAssignment)
				if problems := errcode.Of(err).Problems; len(problems) != 1 || problems[0].Reason != test.reason {
					t.Errorf("the reasons are %v", problems)
				}
			})
		})
	}
	t.Run("but the end of the caller's deadline is an error", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, leave := context.WithCancelCause(t.Context())
			left := errors.New("the caller has left")
			time.AfterFunc(time.Second, func() { leave(left) })
			if err := unknownRange(ctx, t, slow{newPlatform(t), time.Hour}); !errors.Is(err, left) {
				t.Errorf("the error is %v", err)
			}
		})
	})
}

// unknownRange plans to assign a range that the tenant does not have.
func unknownRange(ctx context.Context, t *testing.T, reader translate.Reader) error {
	t.Helper()
	service := options{}.service(t, reader)
	draft, err := service.AssignNumbers().Decode(testGroup, []byte(unknownBodies["assign numbers"]))
	if err != nil {
		t.Fatal(err)
	}
	_, err = service.AssignNumbers().Plan(ctx, draft)
	return err
}

func TestReasonsAreLimited(t *testing.T) {
	var body strings.Builder
	const entries = 500
	for i := range entries {
		fmt.Fprintf(&body, `,{"prefix":"+99%d"}`, i)
	}
	named, problems := refused(t, newPlatform(t), "assign prefixes", `{"prefixes":[`+body.String()[1:]+`]}`)
	if len(named) != entries || len(problems) != 101 {
		t.Fatalf("%d entries and %d problems", len(named), len(problems))
	}
	if last := problems[100]; last != "the body has more problems, which are not listed" {
		t.Errorf("the last is %q", last)
	}
}
