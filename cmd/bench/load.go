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

// callersOfPairs is the number of callers, sessions and connections of both sides of a ratio
// if neither side waits for the other.
const callersOfPairs = 8

// numbersPath returns the path of the numbers of a group.
func numbersPath(tenant, group string) string {
	return "/api/v1/tenant/" + tenant + "/group/" + group + "/services/immediate_trunking_connectivity/numbers/"
}

// paths returns the paths of several tenants with one group each, which has that number of
// rows. Concurrent callers must use different groups, because the gateway may join identical
// reads.
func paths(tenants, rows int) []string {
	list := make([]string, tenants)
	for i := range list {
		list[i] = numbersPath(fmt.Sprintf("t%d", i), groupID(i, rows))
	}
	return list
}

// load is a number of callers with persistent connections, each of which makes one request
// at a time. It writes prepared bytes and parses as little as net/http permits, so that most
// of the machine is available to the measured processes.
type load []*caller

type caller struct {
	conn   net.Conn
	reader *bufio.Reader
	buffer []byte
	calls  []*call
	next   int // index in calls
	done   []done
}

// call is a request with the body of its response.
type call struct {
	request []byte
	want    *body // nil before the first call
}

type body struct {
	bytes int64
	sum   uint32
}

// done is a request with a response.
type done struct {
	at   time.Time
	took time.Duration
}

// dial returns that number of callers, among which the paths are divided, and makes each call
// once.
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

// close closes the connections. It may be called several times, and if some callers were
// not created.
func (l load) close() error {
	for _, c := range l {
		if c != nil {
			_ = c.conn.Close() // no response is expected on it
		}
	}
	return nil
}

// run lets every caller make sequential requests for that time, at least one each.
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
	return all, cmp.Or(problems...) // the first is enough
}

// underLoad returns a process under the load of that number of callers of the paths.
func (b *bench) underLoad(ctx context.Context, p *process, callers int, paths []string) (subject, error) {
	l, err := b.dial(ctx, p.address, callers, paths)
	if err != nil {
		return subject{}, err
	}
	return l.on(ctx, b, p), nil
}

// on is the process under load.
func (l load) on(ctx context.Context, b *bench, p *process) subject {
	return subject{p, func() (int, error) {
		all, err := l.run(ctx, b.slice())
		return len(all), err
	}}
}

// median returns the median time of the requests of one slice, in nanoseconds.
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

// call makes a request. Its response must have status 200 and the same body as before.
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

// answer is a complete response.
type answer struct {
	header http.Header
	body   []byte
}

// fetch reads a path with the caller's token, on a new connection.
func (b *bench) fetch(ctx context.Context, address, path string) (answer, error) {
	return send(ctx, http.MethodGet, address, path, "", "Bearer "+b.token)
}

// send makes a request on a new connection. Its status must be 200.
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
	got, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s was answered with %s: %.200s", path, response.Status, got)
	}
	return answer{response.Header, got}, err
}
