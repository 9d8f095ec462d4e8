//go:build linux

package main

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"time"

	"ocigate/cmd/internal/measure"
)

// races sends each of many writes to two replicas at the same time, with the same idempotency
// key: exactly one of them may send it, and both must report the same.
func races(ctx context.Context, r *rig) ([]figure, error) {
	const keys = 40
	s, err := r.shared(ctx)
	if err != nil {
		return nil, err
	}
	writes, errs := make([]*keyed, 2*keys), make([]error, 2*keys)
	began := time.Now()
	var racing sync.WaitGroup
	for i := range writes {
		number := i / 2
		writes[i] = &keyed{target: number, number: numberName(number, 0), key: "race-" + strconv.Itoa(number)}
		g := []*gateway{s.gateway, s.other}[i%2]
		racing.Go(func() { errs[i] = s.repeat(ctx, g, writes[i], began, patience) })
	}
	racing.Wait()
	once := 0
	for _, e := range s.platform.Writes() {
		if e.Applied {
			once++
		}
	}
	return append([]figure{
		atLeast("writes that the platform carried out", float64(once), "", keys),
	}, s.truthOf(writes)[1:]...), errors.Join(errs...)
}

// deadDatabase measures reads while the database of the journal does not run.
func deadDatabase(ctx context.Context, r *rig) ([]figure, error) {
	s, err := r.shared(ctx)
	if err != nil {
		return nil, err
	}
	t := s.begin(ctx, calm(50))
	if err := measure.Pause(ctx, time.Second); err != nil {
		return nil, err
	}
	from := time.Now()
	if err := s.database.Crash(); err != nil {
		return nil, err
	}
	if err := measure.Pause(ctx, 5*time.Second); err != nil {
		return nil, err
	}
	to := time.Now()
	answers, err := t.stop()
	if err != nil {
		return nil, err
	}
	reads := dueBetween(answers, from, to)
	return []figure{
		noted("reads", float64(len(reads)), ""),
		atMost("reads that failed", float64(bad(reads)), "", 0),
		atMost("time of a read, 99 %", 1e3*quantile(reads, 0.99, (*answer).good), "ms", 200),
	}, s.database.Start()
}
