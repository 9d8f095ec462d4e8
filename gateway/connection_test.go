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

// Whatever a row does with bodies, one that is announced as too long is refused
// before it is there, nobody is told to go on, and the connection ends.
func TestAnnouncedLengths(t *testing.T) {
	r := start(t, setup{})
	for _, e := range endpoints() {
		limit := 1 << 20
		if e.Session != nil {
			limit = 8 << 10
		}
		t.Run(e.Name, func(t *testing.T) {
			conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(r.base, "http://"))
			must(t, err)
			defer func() { _ = conn.Close() }()
			must(t, conn.SetDeadline(time.Now().Add(time.Minute)))
			_, err = io.WriteString(conn, e.Method+" "+ownPath(e)+" HTTP/1.1\r\nHost: example.com\r\nAuthorization: "+r.basic(t)+
				"\r\nExpect: 100-continue\r\nContent-Length: "+strconv.Itoa(limit+1)+"\r\n\r\n")
			must(t, err)
			reader := bufio.NewReader(conn)
			response, err := http.ReadResponse(reader, &http.Request{Method: e.Method})
			must(t, err)
			told := readAnswer(t, response).wantError(t, http.StatusBadRequest, "BODY_TOO_LARGE")
			if want := strconv.Itoa(limit) + " bytes"; !strings.Contains(told.Message, want) {
				t.Errorf("%q does not tell the limit of %s", told.Message, want)
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
				if got := readAnswer(t, response); got.status >= http.StatusBadRequest {
					t.Errorf("status %d: %s", got.status, got.body)
				}
				if response.ProtoMajor != c.major || response.Close == c.http2 || response.TLS.Version < tls.VersionTLS12 {
					t.Errorf("%s, closed: %t", response.Proto, response.Close)
				}
			}
		})
	}
}

func TestCodingsThatAreTakenAreTold(t *testing.T) {
	r := start(t, setup{})
	asked := assignFreeRange()
	asked.header = http.Header{"Content-Encoding": {"gzip"}}
	got := r.call(t, asked)
	told := got.wantError(t, http.StatusRequestedRangeNotSatisfiable, "BAD_MEDIA_TYPE")
	if problems := told.Details.Problems; len(problems) != 1 || problems[0].Parameter != "Content-Encoding" || !strings.Contains(problems[0].Reason, `"gzip"`) {
		t.Errorf("problems %+v", problems)
	}
	if coding := got.header.Get("Accept-Encoding"); coding != "identity" {
		t.Errorf("Accept-Encoding is %q", coding)
	}
	r.wantWrites(t, 0, 0)
}

// deadlines is an answer whose connection notes that it was told to wait no
// longer for what is sent over it.
type deadlines struct {
	*httptest.ResponseRecorder
	bounded bool
}

func (d *deadlines) SetReadDeadline(time.Time) error {
	d.bounded = true
	return nil
}

// Behind the end of a request net/http reads on, and takes a read that fails for
// the end of the caller. So only what has not ended is bounded.
func TestOnlyWhatIsLeftOfABodyIsBounded(t *testing.T) {
	r := start(t, setup{})
	stranger, dryRun, chunks := assignFreeRange(), assignFreeRange(), assignFreeRange()
	stranger.client = nobody
	dryRun.path += "?dry_run=true"
	for name, c := range map[string]struct {
		call    call
		length  int64
		bounded bool
	}{
		"no body":                       {call{path: ownList("numbers"), client: system}, 0, false},
		"a body that is read":           {dryRun, int64(len(freeRange)), false},
		"chunks that are read":          {chunks, -1, false},
		"a body that is left":           {stranger, int64(len(freeRange)), true},
		"chunks that are left":          {stranger, -1, true},
		"a body of a row that has none": {call{path: ownList("numbers"), client: system, body: freeRange}, int64(len(freeRange)), true},
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
