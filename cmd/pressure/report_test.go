//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestVerdict(t *testing.T) {
	good, missed := atLeast("share", 99, "%", 90), atMost("time", 4, "s", 3)
	for name, c := range map[string]struct {
		result result
		fails  bool
		line   string
	}{
		"reached":             {result{figures: []figure{good}}, false, "| case | share: 99 % | ≥ 90 % | yes |"},
		"missed":              {result{figures: []figure{good, missed}}, true, "|  | time: 4 s | ≤ 3 s | **no** |"},
		"without a target":    {result{figures: []figure{noted("reads", 7, "")}}, false, "| case | reads: 7 |  |  |"},
		"not measured":        {result{err: errors.New("broken")}, true, "| case | it could not be measured | | **no** |"},
		"skipped":             {result{err: &skippedError{"no root"}}, false, "| case | skipped: no root | | |"},
		"skipped and missed":  {result{figures: []figure{missed}, err: &skippedError{"no root"}}, true, "|  | skipped: no root | | |"},
		"measured and broken": {result{figures: []figure{good}, err: errors.New("broken")}, true, "|  | it could not be measured | | **no** |"},
	} {
		t.Run(name, func(t *testing.T) {
			c.result.title = "case"
			results := []result{c.result}
			if err := verdict(results); (err != nil) != c.fails {
				t.Errorf("the verdict is %v", err)
			}
			if text := table(results); !strings.Contains(text, c.line+"\n") {
				t.Errorf("no line %q in:\n%s", c.line, text)
			}
		})
	}
}

func TestAShortRunSkipsWhatTheMachineIsTooSlowFor(t *testing.T) {
	late := func(context.Context, *rig) ([]figure, error) { return nil, fmt.Errorf("late: %w", errTooSlow) }
	for _, short := range []bool{false, true} {
		s := &suite{dir: t.TempDir(), short: short}
		_, err := s.row(t.Context(), row{name: "row", measure: late})
		if _, skipped := errors.AsType[*skippedError](err); skipped != short || !strings.Contains(err.Error(), "late") {
			t.Errorf("short %t: %v", short, err)
		}
	}
}

func TestChoose(t *testing.T) {
	all, err := choose(rows, "", false)
	if err != nil || len(all) != len(rows) {
		t.Errorf("a full run has %d rows, %v", len(all), err)
	}
	short, err := choose(rows, "", true)
	if err != nil || len(short) == 0 || len(short) == len(rows) {
		t.Errorf("a short run has %d rows, %v", len(short), err)
	}
	some, err := choose(rows, "stop,fair", true)
	if err != nil || strings.Join(names(some), ",") != "stop,fair" {
		t.Errorf("got %v, %v", names(some), err)
	}
	if _, err := choose(rows, "fair,none", false); err == nil {
		t.Error("an unknown row was accepted")
	}
}

// said returns the answer to a write with that status and that outcome in its header.
func said(status int, outcome string) *answer {
	return &answer{id: "id", status: status, header: http.Header{"Operation-Outcome": {outcome}}}
}

func TestMisreported(t *testing.T) {
	done, refused, unknown := said(201, "done"), said(503, "not_done"), &answer{id: "id", err: errors.New("gone")}
	for name, c := range map[string]struct {
		writes   []*answer
		reported string // the state of the operation of the last write
		applied  bool
		want     bool
	}{
		"never asked for":             {nil, "", false, false},
		"never asked for and applied": {nil, "", true, true},
		"done":                        {[]*answer{done}, "done", true, false},
		"done, and not applied":       {[]*answer{done}, "done", false, true},
		"not done":                    {[]*answer{refused}, "", false, false},
		"not done, and applied":       {[]*answer{refused}, "", true, true},
		"refused, then done":          {[]*answer{said(503, ""), done}, "", true, false},
		"no answer":                   {[]*answer{unknown}, "", true, false},
		"no answer, found out":        {[]*answer{unknown}, "done", true, false},
		"no answer, not true":         {[]*answer{unknown}, "not_done", true, true},
		"status and no header":        {[]*answer{said(201, "")}, "", false, true},
	} {
		t.Run(name, func(t *testing.T) {
			e := entry{writes: c.writes}
			if got := e.misreported(c.applied, map[string]string{"id": c.reported}); got != c.want {
				t.Errorf("misreported is %t", got)
			}
		})
	}
}

func TestWritesAreDistributedEvenly(t *testing.T) {
	for _, part := range []float64{0, 0.1, 0.3, 0.5, 1} {
		tr := &traffic{load: load{writes: part}}
		writes := 0
		for range 1000 {
			if tr.isWrite() {
				writes++
			}
		}
		if writes != int(1000*part) {
			t.Errorf("%d of 1000 requests are writes, want %g", writes, 1000*part)
		}
	}
}

func TestGoodput(t *testing.T) {
	from := time.Now()
	kind := kindOfCallers{service: 200 * time.Millisecond, sessions: 8} // 40 commands in a second
	var answers []*answer
	for i := range 10 {
		at := from.Add(time.Duration(i+1) * 100 * time.Millisecond)
		answers = append(answers,
			&answer{due: at, status: 200},
			&answer{due: at, status: 201, entry: &entry{}},
			&answer{due: at, status: 503},
			&answer{due: at, err: errors.New("gone")},
			&answer{due: at.Add(time.Second), status: 200}, // too late to count
		)
	}
	if got := kind.goodput(answers, from, from.Add(time.Second)); got != 75 {
		t.Errorf("goodput is %g %%, want that of 30 of 40 commands", got)
	}
}
