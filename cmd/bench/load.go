//go:build linux

package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// callersOfPairs is how many callers, sessions and connections the two sides of
// a ratio have where neither is to wait for the other.
const callersOfPairs = 8

// numbersPath is where the numbers of a group are read.
func numbersPath(tenant, group string) string {
	return "/api/v1/tenant/" + tenant + "/group/" + group + "/services/immediate_trunking_connectivity/numbers/"
}

// paths are of so many tenants with one group each, which has so many rows.
// Everybody who calls at the same time asks for a group of their own: the gateway
// may join reads that are the same.
func paths(tenants, rows int) []string {
	list := make([]string, tenants)
	for i := range list {
		list[i] = numbersPath(fmt.Sprintf("t%d", i), groupID(i, rows))
	}
	return list
}

// load is callers that keep their connections, each making one request at a
// time. It writes bytes that were made before and reads with as little as
// net/http lets it, to leave the machine to those that are measured.
type load []*caller

type caller struct {
	conn   net.Conn
	reader *bufio.Reader
	buffer []byte
	calls  []*call
	next   int // of calls
	done   []done
}

// call is a request and the body that it is answered with.
type call struct {
	request []byte
	want    *body // nil before it was made once
}

type body struct {
	bytes int64
	sum   uint32
}

// done is a request that was answered.
type done struct {
	at   time.Time
	took time.Duration
}

// dial makes so many callers, who share out the paths between them, and makes
// each call once.
func (b *bench) dial(ctx context.Context, address string, callers int, paths []string) (load, error) {
	l := make(load, callers)
	b.cleanup = append(b.cleanup, l.close)
	for i := range l {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
		if err != nil {
			return nil, err
		}
		l[i] = &caller{conn: conn, reader: bufio.NewReader(conn), buffer: make([]byte, 32<<10)}
	}
	for i, path := range paths {
		c := l[i%callers]
		request := fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: bench\r\nAccept: application/json\r\nAuthorization: Bearer %s\r\n\r\n", path, b.token)
		c.calls = append(c.calls, &call{request: request})
	}
	for range len(l[0].calls) {
		if _, err := l.run(ctx, 0); err != nil {
			return nil, err
		}
	}
	return l, nil
}

// close hangs up. It may be called again, and for callers of whom some never
// came to be.
func (l load) close() error {
	for _, c := range l {
		if c != nil {
			_ = c.conn.Close() // nobody waits for anything from it
		}
	}
	return nil
}

// run has every caller make one request after the other for so long, and one at
// the least.
func (l load) run(ctx context.Context, d time.Duration) ([]done, error) {
	end := time.Now().Add(d)
	problems := make([]error, len(l))
	var calling sync.WaitGroup
	for i, c := range l {
		calling.Go(func() { problems[i] = c.run(ctx, end) })
	}
	calling.Wait()
	var all []done
	for _, c := range l {
		all = append(all, c.done...)
	}
	return all, cmp.Or(problems...) // one is as good as a thousand
}

// underLoad is a process that so many callers of those paths keep busy.
func (b *bench) underLoad(ctx context.Context, p *process, callers int, paths []string) (subject, error) {
	l, err := b.dial(ctx, p.address, callers, paths)
	if err != nil {
		return subject{}, err
	}
	return l.on(ctx, b, p), nil
}

// on is the process that the callers keep busy.
func (l load) on(ctx context.Context, b *bench, p *process) subject {
	return subject{p, func() (int, error) {
		all, err := l.run(ctx, b.slice())
		return len(all), err
	}}
}

// median is the median time of the requests of one slice, in nanoseconds.
func (l load) median(ctx context.Context, b *bench) (float64, error) {
	all, err := l.run(ctx, b.slice())
	var took []float64
	for _, d := range all {
		took = append(took, float64(d.took))
	}
	return median(took), err
}

func (c *caller) run(ctx context.Context, end time.Time) error {
	c.done = c.done[:0]
	if err := c.conn.SetDeadline(end.Add(patience)); err != nil {
		return err
	}
	for {
		start := time.Now()
		if err := c.call(c.calls[c.next]); err != nil {
			return err
		}
		c.next = (c.next + 1) % len(c.calls)
		now := time.Now()
		c.done = append(c.done, done{now, now.Sub(start)})
		if !now.Before(end) || ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

// call makes a request. Its answer must be good, and the same as ever.
func (c *caller) call(next *call) error {
	if _, err := c.conn.Write(next.request); err != nil {
		return err
	}
	response, err := http.ReadResponse(c.reader, nil)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	sum := crc32.NewIEEE()
	n, err := io.CopyBuffer(sum, response.Body, c.buffer)
	switch got := (body{n, sum.Sum32()}); {
	case err != nil:
		return err
	case response.StatusCode != http.StatusOK:
		return fmt.Errorf("a read of numbers was answered with %s", response.Status)
	case next.want == nil:
		next.want = &got
	case got != *next.want:
		return errors.New("the same read was answered with another body")
	}
	return nil
}

// answer is all of an answer.
type answer struct {
	header http.Header
	body   []byte
}

// fetch reads a path as our caller, on a connection of its own.
func (b *bench) fetch(ctx context.Context, address, path string) (answer, error) {
	return send(ctx, http.MethodGet, address, path, "", "Bearer "+b.token)
}

// send makes a request on a connection of its own. Its answer must be 200.
func send(ctx context.Context, method, address, path, content, authorization string) (answer, error) {
	request, err := http.NewRequestWithContext(ctx, method, "http://"+address+path, strings.NewReader(content))
	if err != nil {
		return answer{}, err
	}
	request.Header.Set("Content-Type", "application/json")
	if authorization != "" {
		request.Header.Set("Authorization", authorization)
	}
	client := &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true, DisableCompression: true}}
	response, err := client.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = response.Body.Close() }()
	said, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s was answered with %s: %.200s", path, response.Status, said)
	}
	return answer{response.Header, said}, err
}
