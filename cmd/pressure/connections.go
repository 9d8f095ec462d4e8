//go:build linux

package main

import (
	"bufio"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/procfs"

	"ocigate/cmd/internal/measure"
	"ocigate/oci/ocisim"
)

// The connections that take all descriptors of a gateway.
const (
	descriptors = 256
	squatters   = 400
)

// idleConnections holds more connections open than the gateway has descriptors, and measures
// who is served meanwhile.
func idleConnections(ctx context.Context, r *rig) ([]figure, error) {
	s, err := r.limited(ctx, descriptors)
	if err != nil {
		return nil, err
	}
	kept := &http.Client{Transport: &http.Transport{MaxConnsPerHost: 1}}
	defer kept.CloseIdleConnections()
	if ok, err := s.probe(ctx, kept, "http://"+s.api+path(0)); !ok {
		return nil, fmt.Errorf("a request is not served before: %w", err)
	}
	inFlight, err := s.takeTime(ctx, 5*time.Second)
	if err != nil {
		return nil, err
	}
	held, err := s.squat(ctx, squatters, "", partOfHeader, anonymousRequest)
	defer held.close()
	if err != nil {
		return nil, err
	}
	fresh := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	kinds := []struct {
		what   string
		client *http.Client
		url    string
		served int
	}{
		{"livez is served", fresh, "http://" + s.admin + "/livez", 0},
		{"metrics are served", fresh, "http://" + s.admin + "/metrics", 0},
		{"requests over new connections are served", fresh, "http://" + s.api + path(1), 0},
		{"requests over a connection in use are served", s.client, "http://" + s.api + path(2), 0},
	}
	// The gateway closes connections without a complete header after 5 s.
	const probes, every = 30, 100 * time.Millisecond
	var mu sync.Mutex // guards the fields served
	var probing sync.WaitGroup
	for range probes {
		for i := range kinds {
			probing.Go(func() {
				// A refusal is an error as well, which counts as not served.
				if ok, _ := s.probe(ctx, kinds[i].client, kinds[i].url); ok {
					mu.Lock()
					defer mu.Unlock()
					kinds[i].served++
				}
			})
		}
		if err := measure.Pause(ctx, every); err != nil {
			return nil, err
		}
	}
	probing.Wait()
	var figures []figure
	for _, k := range kinds {
		figures = append(figures, atLeast(k.what, float64(100*k.served)/probes, "%", pick(r, 100.0, 50)))
	}
	figures = append(figures, atLeast("requests in flight since before are served", inFlight(), "%", 100))
	if r.short {
		return figures, nil
	}
	costs, err := r.costOfIdle(ctx)
	return append(figures, costs...), err
}

// The largest memory that an idle connection may take, in kB: one that has sent nothing yet,
// and one that has made a request, with its garbage, which varies.
const (
	costOfSilent = 8.0
	costOfKept   = 40.0
)

// limited starts a platform, and a gateway with that limit of open files, or with that of this
// process if it is 0.
func (r *rig) limited(ctx context.Context, files int) (*site, error) {
	s, err := r.site(ctx, plan{})
	if err != nil || files == 0 {
		return s, err
	}
	if err := s.stop(); err != nil {
		return nil, err
	}
	s.limit = files
	return s, s.start(ctx)
}

// takeTime makes requests that take that time. The returned function waits for them and returns
// which part was served, in percent.
func (s *site) takeTime(ctx context.Context, d time.Duration) (func() float64, error) {
	if _, err := s.platform.Inject(ocisim.Fault{Kind: ocisim.Slow, Command: "*NumberPrefix*", Delay: d}); err != nil {
		return nil, err
	}
	const requests = 4
	statuses := make([]int, requests) // 0 without a response
	var running sync.WaitGroup
	for i := range requests {
		running.Go(func() { statuses[i], _, _ = s.fetch(ctx, "http://"+s.api+prefixes(i), patience) })
	}
	served := func() float64 {
		running.Wait()
		return 100 * float64(len(slices.DeleteFunc(statuses, func(s int) bool { return s != http.StatusOK }))) / requests
	}
	return served, wait(ctx, patience, func() (bool, error) {
		busy, err := s.metric(ctx, `ocigate_platform_sessions{platform_endpoint="`+endpointName(0)+`",state="busy"`)
		return busy >= requests, err
	})
}

// probe makes a request, which must be served within a second.
func (s *site) probe(ctx context.Context, client *http.Client, url string) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return false, err
	}
	request.SetBasicAuth(callerA, secret)
	got, err := client.Do(request)
	if err != nil {
		return false, err
	}
	_, err = io.Copy(io.Discard, got.Body)
	return err == nil && got.StatusCode == http.StatusOK, errors.Join(err, got.Body.Close())
}

// connections are open connections.
type connections []net.Conn

func (c connections) close() {
	for _, one := range c {
		_ = one.Close() // nothing is expected of it
	}
}

// What a connection without credentials sends.
const (
	partOfHeader     = "GET /api/v1/ HTTP/1.1\r\nHost: pressure\r\n"
	anonymousRequest = partOfHeader + "\r\n"
)

// squat opens connections to the API, which send these texts in turn. It does not wait for
// responses, because connections that are not accepted get none.
func (s *site) squat(ctx context.Context, count int, texts ...string) (connections, error) {
	held := make(connections, 0, count)
	for i := range count {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", s.api)
		if err != nil {
			return held, err
		}
		held = append(held, conn)
		if _, err := io.WriteString(conn, texts[i%len(texts)]); err != nil {
			return held, err
		}
	}
	return held, measure.Pause(ctx, time.Second/2) // time to serve those that are accepted
}

// costOfIdle measures the memory that the gateway takes for idle connections.
func (r *rig) costOfIdle(ctx context.Context) ([]figure, error) {
	s, err := r.limited(ctx, 0)
	if err != nil {
		return nil, err
	}
	const count = 2000
	var held connections
	defer func() { held.close() }()
	// cost returns the memory for each of these connections, in kB.
	cost := func(open func(context.Context, int) (connections, error)) (float64, error) {
		before, err := s.resident()
		if err != nil {
			return 0, err
		}
		more, err := open(ctx, count)
		held = append(held, more...)
		if err != nil {
			return 0, err
		}
		after, err := s.resident()
		return (after - before) / count / 1e3, err
	}
	silent, err := cost(func(ctx context.Context, count int) (connections, error) { return s.squat(ctx, count, "") })
	if err != nil {
		return nil, err
	}
	kept, err := cost(s.keepOpen)
	return []figure{
		atMost("memory for a connection that has sent nothing", silent, "kB", costOfSilent),
		atMost("memory for an idle connection after a request", kept, "kB", costOfKept),
	}, err
}

// keepOpen opens connections, each of which makes one request.
func (s *site) keepOpen(ctx context.Context, count int) (connections, error) {
	held := make(connections, 0, count)
	for range count {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", s.api)
		if err != nil {
			return held, err
		}
		held = append(held, conn)
		if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
			return held, err
		}
		if _, err := io.WriteString(conn, anonymousRequest); err != nil {
			return held, err
		}
		got, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			return held, err
		}
		_, err = io.Copy(io.Discard, got.Body)
		if err := errors.Join(err, got.Body.Close()); err != nil {
			return held, err
		}
	}
	return held, nil
}

// resident returns the resident memory of the gateway in bytes.
func (g *gateway) resident() (float64, error) {
	process, err := procfs.NewProc(g.command.Process.Pid)
	if err != nil {
		return 0, err
	}
	status, err := process.NewStatus()
	return float64(status.VmRSS), err
}

// readTimeout is the time for a complete request to arrive, in the row of uploads.
const readTimeout = 2 * time.Second

// endlessUploads sends requests whose bodies never end, and counts those that are refused as
// such.
func endlessUploads(ctx context.Context, r *rig) ([]figure, error) {
	s, err := r.site(ctx, plan{})
	if err != nil {
		return nil, err
	}
	g, err := r.configure(ctx, settings{
		endpoints: []string{s.platform.Addr},
		http:      fmt.Sprintf("read_timeout: %[1]s, read_header_timeout: %[1]s, ", readTimeout),
	})
	if err != nil {
		return nil, err
	}
	if err := g.start(ctx); err != nil {
		return nil, err
	}
	var uploads []*upload
	for _, request := range []string{"POST /api/v1/login/", "POST " + path(0), "PUT " + path(1), "DELETE " + path(2)} {
		for _, drip := range []bool{false, true} {
			uploads = append(uploads,
				&upload{request: request, length: "Content-Length: 1000", part: `{"numbers":[`, drip: drip},
				&upload{request: request, length: "Transfer-Encoding: chunked", part: "c\r\n{\"numbers\":[\r\n1\r\n \r\n", drip: drip})
		}
	}
	errs := make([]error, len(uploads))
	var sending sync.WaitGroup
	for i, u := range uploads {
		sending.Go(func() { errs[i] = u.send(ctx, g.api) })
	}
	sending.Wait()
	refused, open, longest := 0.0, 0.0, 0.0
	for _, u := range uploads {
		if u.status == http.StatusRequestTimeout {
			refused++
		}
		if !u.closed {
			open++
		}
		longest = max(longest, u.took.Seconds())
	}
	return []figure{
		atLeast("uploads that are refused with 408", 100*refused/float64(len(uploads)), "%", 100),
		atMost("longest time until the response, with a limit of 2 s", longest, "s", pick(r, 3.0, 10)),
		atMost("connections that stay open", open, "", 0),
	}, errors.Join(errs...)
}

// upload is a request whose body does not end.
type upload struct {
	request string // method and path
	length  string // the header with the length of the body
	part    string // the first bytes of the body
	drip    bool   // whether more of them follow, slowly

	// The fields below are the result.
	status int // 0 if the connection ends without a response
	took   time.Duration
	closed bool // whether the gateway closes the connection after the response
}

// send sends the request, and waits for the response and for the end of the connection.
func (u *upload) send(ctx context.Context, address string) error {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	credentials := base64.StdEncoding.EncodeToString([]byte(callerA + ":" + secret))
	began := time.Now()
	if err := conn.SetDeadline(began.Add(patience)); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(conn, "%s HTTP/1.1\r\nHost: pressure\r\nAuthorization: Basic %s\r\nContent-Type: application/json\r\n%s\r\n\r\n%s",
		u.request, credentials, u.length, u.part); err != nil {
		return err
	}
	if u.drip {
		ctx, stop := context.WithCancel(ctx)
		defer stop()
		go u.goOn(ctx, conn)
	}
	reader := bufio.NewReader(conn)
	got, err := http.ReadResponse(reader, nil)
	u.took = time.Since(began)
	if err != nil { // there is no response: that is the result
		timeout, ok := errors.AsType[net.Error](err)
		u.closed = !ok || !timeout.Timeout()
		return nil
	}
	u.status = got.StatusCode
	_, err = io.Copy(io.Discard, got.Body)
	if err = errors.Join(err, got.Body.Close()); err != nil {
		return err
	}
	_, err = reader.ReadByte()
	timeout, ok := errors.AsType[net.Error](err)
	u.closed = err != nil && (!ok || !timeout.Timeout())
	return nil
}

// goOn sends more of the body until ctx ends.
func (u *upload) goOn(ctx context.Context, conn net.Conn) {
	more := " "
	if strings.HasSuffix(u.length, "chunked") {
		more = "1\r\n \r\n"
	}
	for measure.Pause(ctx, 100*time.Millisecond) == nil {
		if _, err := io.WriteString(conn, more); err != nil {
			return // the gateway has closed it
		}
	}
}
