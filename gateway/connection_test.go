package gateway_test

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"
)

// When the server closes a connection or limits the rest of a body.

// Every route refuses a body whose announced length is too large before the body arrives.
// The client gets no 100 Continue, and the connection is closed.
func TestAnnouncedLengths(t *testing.T) {
	r := start(t, setup{})
	for _, route := range apiRoutes() {
		limit := 1 << 20
		if route.Session != nil {
			limit = 8 << 10
		}
		t.Run(route.Name, func(t *testing.T) {
			conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(r.base, "http://"))
			must(t, err)
			defer func() { _ = conn.Close() }()
			must(t, conn.SetDeadline(time.Now().Add(time.Minute)))
			_, err = io.WriteString(conn, route.Method+" "+ownPath(route)+" HTTP/1.1\r\nHost: example.com\r\nAuthorization: "+r.basic(t)+
				"\r\nExpect: 100-continue\r\nContent-Length: "+strconv.Itoa(limit+1)+"\r\n\r\n")
			must(t, err)
			reader := bufio.NewReader(conn)
			response, err := http.ReadResponse(reader, &http.Request{Method: route.Method})
			must(t, err)
			failure := readResponse(t, response).wantError(t, http.StatusBadRequest, "BODY_TOO_LARGE")
			if want := strconv.Itoa(limit) + " bytes"; !strings.Contains(failure.Message, want) {
				t.Errorf("%q does not name the limit of %s", failure.Message, want)
			}
			if rest, err := io.ReadAll(reader); err != nil || len(rest) > 0 || !response.Close {
				t.Errorf("the connection goes on: %q, %v", rest, err)
			}
		})
	}
	if heard := r.platform.Ledger(); len(heard) != 0 {
		t.Errorf("the platform heard %d commands", len(heard))
	}
}

// Chunks end a connection under HTTP/1.1, with TLS as without. HTTP/2 has its
// own ends of bodies, and many callers on one connection.
func TestChunksOverTLS(t *testing.T) {
	r := start(t, setup{})
	for name, c := range map[string]struct {
		http2 bool
		major int
	}{"HTTP/1.1": {false, 1}, "HTTP/2": {true, 2}} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewUnstartedServer(r.handler)
			server.EnableHTTP2 = c.http2
			server.StartTLS()
			defer server.Close()
			remove := assignFreeRange()
			remove.method = http.MethodDelete
			for _, asked := range []call{assignFreeRange(), remove} {
				request := r.request(t, asked)
				request.URL.Scheme, request.URL.Host = "https", strings.TrimPrefix(server.URL, "https://")
				request.Body, request.ContentLength, request.GetBody = io.NopCloser(unsized{strings.NewReader(freeRange)}), -1, nil
				response, err := server.Client().Do(request)
				must(t, err)
				if got := readResponse(t, response); got.status >= http.StatusBadRequest {
					t.Errorf("status %d: %s", got.status, got.body)
				}
				if response.ProtoMajor != c.major || response.Close == c.http2 || response.TLS.Version < tls.VersionTLS12 {
					t.Errorf("%s, closed: %t", response.Proto, response.Close)
				}
			}
		})
	}
}

func TestAcceptedCodingsAreListed(t *testing.T) {
	r := start(t, setup{})
	asked := assignFreeRange()
	asked.header = http.Header{"Content-Encoding": {"gzip"}}
	got := r.call(t, asked)
	failure := got.wantError(t, http.StatusRequestedRangeNotSatisfiable, "BAD_MEDIA_TYPE")
	if problems := failure.Details.Problems; len(problems) != 1 || problems[0].Parameter != "Content-Encoding" || !strings.Contains(problems[0].Reason, `"gzip"`) {
		t.Errorf("problems %+v", problems)
	}
	if coding := got.header.Get("Accept-Encoding"); coding != "identity" {
		t.Errorf("Accept-Encoding is %q", coding)
	}
	r.wantWrites(t, 0, 0)
}

// deadlines is a response writer that notes whether a read deadline was set.
type deadlines struct {
	*httptest.ResponseRecorder
	bounded bool
}

func (d *deadlines) SetReadDeadline(time.Time) error {
	d.bounded = true
	return nil
}

// After the end of a request, net/http continues to read, and takes a failed read for a
// disconnect. So a deadline is set only if the body has not ended.
func TestOnlyWhatIsLeftOfABodyIsBounded(t *testing.T) {
	r := start(t, setup{})
	stranger, dryRun, chunks := assignFreeRange(), assignFreeRange(), assignFreeRange()
	stranger.client = anonymous
	dryRun.path += "?dry_run=true"
	for name, c := range map[string]struct {
		call    call
		length  int64
		bounded bool
	}{
		"no body":                         {call{path: ownList("numbers"), client: system}, 0, false},
		"a body that is read":             {dryRun, int64(len(freeRange)), false},
		"chunks that are read":            {chunks, -1, false},
		"a body that is left":             {stranger, int64(len(freeRange)), true},
		"chunks that are left":            {stranger, -1, true},
		"a body of a route that has none": {call{path: ownList("numbers"), client: system, body: freeRange}, int64(len(freeRange)), true},
	} {
		t.Run(name, func(t *testing.T) {
			c.call.header = http.Header{"Expect": {"100-continue"}}
			request := r.request(t, c.call)
			request.ContentLength = c.length
			if request.Body == nil {
				request.Body = http.NoBody // as net/http's server has it
			}
			w := &deadlines{ResponseRecorder: httptest.NewRecorder()}
			r.handler.ServeHTTP(w, request)
			if w.bounded != c.bounded {
				t.Errorf("status %d, bounded: %t", w.Code, w.bounded)
			}
		})
	}
}
