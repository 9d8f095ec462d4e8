package translate_test

// This file specifies how an answer gets the names of departments, and when the
// platform is asked for them. A new case is an entry of a table with the
// departments of the platform and the documents that are sent.

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"ocigate/oci"
	"ocigate/translate"
	"ocigate/translate/errcode"
	"ocigate/translate/scope"
)

// nested is a list with one row for each department.
func nested(paths ...string) string {
	var rows []string
	for i, path := range paths {
		rows = append(rows, fmt.Sprintf("+%d|%s", i+1, path))
	}
	return answer(ownNumbers, table("numberRangeSummaryTable", "Number Range Start|Department", rows...))
}

// departmentsOf are the platform's departments, each a name and a path.
func departmentsOf(rows ...string) string {
	return answer(departments, table("departmentTable", "Department Name|Full Path Name", rows...))
}

// read returns the body and the entity tag of a query.
func read(t *testing.T, query translate.Query, target scope.Target) (text, tag string) {
	t.Helper()
	got, err := query.Read(t.Context(), target, nil)
	if err != nil {
		t.Fatal(err)
	}
	return body(t, got), got.ETag()
}

// longTTL has a ContextTTL longer than any test.
var longTTL = translate.Options{ContextTTL: 24 * time.Hour}

func wantAsked(t *testing.T, p *platform, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, p.Asked); diff != "" {
		t.Errorf("reads (-want +got)\n%s", diff)
	}
	p.Asked = nil
}

// A repeated read sends one document each time.
func TestCachedReadSendsOneDocument(t *testing.T) {
	p := newPlatform(t)
	p.Answers[ownNumbers] = nested(`Sales \ West`, "Sales", "", `Sales \ West`, `Sales \ East \ Coast`)
	p.Answers[departments] = departmentsOf(`West|Sales \ West`, `East \ Coast|Sales \ East \ Coast`)
	query := p.query(longTTL)
	first, tag := read(t, query, testGroup)
	if !strings.Contains(first, `"departmentName":"East \\ Coast"`) {
		t.Errorf("got %s", first)
	}
	wantAsked(t, p, inContext, departments)
	const reads = 20
	for range reads {
		again, tagAgain := read(t, query, testGroup)
		if again != first || tagAgain != tag {
			t.Errorf("got %s with %s, and before that %s with %s", again, tagAgain, first, tag)
		}
	}
	if len(p.Asked) != reads {
		t.Errorf("%d reads took %d documents", reads, len(p.Asked))
	}
	t.Logf("documents per steady read: %.2f; each read took 2 while names were asked for every time", float64(len(p.Asked))/reads)
}

func TestOnlyUncachedDepartmentsAreRead(t *testing.T) {
	p := newPlatform(t)
	p.Answers[ownNumbers] = nested(`A \ B`)
	p.Answers[departments] = departmentsOf(`B|A \ B`, `x \ C|A \ x \ C`)
	query := p.query(longTTL)
	read(t, query, testGroup)
	wantAsked(t, p, inContext, departments)

	p.Answers[ownNumbers] = nested(`A \ B`, `A \ x \ C`)
	if text, _ := read(t, query, testGroup); !strings.Contains(text, `"departmentName":"x \\ C"`) || !strings.Contains(text, `"departmentName":"B"`) {
		t.Errorf("got %s", text)
	}
	wantAsked(t, p, ownNumbers, departments)

	p.Answers[ownNumbers] = nested(`A \ x \ C`)
	read(t, query, testGroup)
	wantAsked(t, p, ownNumbers)

	other := scope.Target{TenantID: testGroup.TenantID, GroupID: "Other"}
	read(t, query, other)
	wantAsked(t, p, inContext, departments)
	other = scope.Target{TenantID: "Other", GroupID: testGroup.GroupID}
	read(t, query, other)
	wantAsked(t, p, inContext, departments)
}

// That a path is not in the platform's list is cached as well. A refusal is not.
func TestDepartmentsWithoutACertainName(t *testing.T) {
	for name, test := range map[string]struct {
		reply string
		err   error
		again []string // the second read's documents
	}{
		"are cached when they are not listed":          {departmentsOf("Sales|Sales"), nil, []string{ownNumbers}},
		"are cached when two have the path":            {departmentsOf(`C|A \ B \ C`, `B \ C|A \ B \ C`), nil, []string{ownNumbers}},
		"are read again after a refusal":               {refusal("Error", 5404, "unauthorized"), nil, []string{ownNumbers, departments}},
		"are read again if the command is unsupported": {"", fmt.Errorf("not sent: %w", &oci.UnsupportedError{}), []string{ownNumbers, departments}},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlatform(t)
			p.Answers[ownNumbers], p.Answers[departments] = nested(`A \ B \ C`), test.reply
			if test.err != nil {
				p.Answers[departments], p.Err[departments] = departmentsOf(), test.err
			}
			query := p.query(longTTL)
			for range 2 {
				if text, _ := read(t, query, testGroup); !strings.Contains(text, `"departmentName":"C"`) {
					t.Errorf("got %s", text)
				}
			}
			wantAsked(t, p, append([]string{inContext, departments}, test.again...)...)
		})
	}
	t.Run("do not hide that the platform is unavailable", func(t *testing.T) {
		p := newPlatform(t)
		p.Answers[ownNumbers], p.Err[departments] = nested(`A \ B`), oci.ErrBusy
		got, err := p.query(longTTL).Read(t.Context(), testGroup, nil)
		if !errors.Is(err, oci.ErrBusy) || got != nil {
			t.Errorf("got %v, %v", got, err)
		}
	})
	t.Run("are a platform error if the list has no paths", func(t *testing.T) {
		p := newPlatform(t)
		p.Answers[ownNumbers] = nested(`A \ B`)
		p.Answers[departments] = answer(departments, table("departmentTable", "Department Name", "B"))
		got, err := p.query(longTTL).Read(t.Context(), testGroup, nil)
		if code(t, err, errcode.PlatformError); got != nil {
			t.Errorf("got %v with the error", got)
		}
	})
}

func TestDepartmentsAreCachedForMinutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlatform(t)
		p.Answers[ownNumbers] = nested(`A \ B \ C`)
		p.Answers[departments] = departmentsOf(`C|A \ B \ C`)
		query := p.query(longTTL)
		read(t, query, testGroup)
		wantAsked(t, p, inContext, departments)
		p.Answers[departments] = departmentsOf(`B \ C|A \ B \ C`)
		time.Sleep(5*time.Minute - time.Nanosecond)
		if text, _ := read(t, query, testGroup); !strings.Contains(text, `"departmentName":"C"`) {
			t.Errorf("got %s", text)
		}
		wantAsked(t, p, ownNumbers)
		time.Sleep(time.Nanosecond)
		if text, _ := read(t, query, testGroup); !strings.Contains(text, `"departmentName":"B \\ C"`) {
			t.Errorf("got %s", text)
		}
		wantAsked(t, p, ownNumbers, departments)
		read(t, query, testGroup)
		wantAsked(t, p, ownNumbers)
	})
}

// BenchmarkRead is a small read in a cached context, whose list has a nested
// department.
func BenchmarkRead(b *testing.B) {
	p := newPlatform(b)
	p.Answers[ownNumbers] = nested(`A \ B`, "")
	p.Answers[departments] = departmentsOf(`B|A \ B`)
	query := p.query(longTTL)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := query.Read(b.Context(), testGroup, nil); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(len(p.Asked))/float64(b.N), "documents/op")
}
