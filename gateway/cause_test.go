package gateway_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"ocigate/gateway"
	"ocigate/oci"
)

// The causes in the log: they name what an operator needs, and responses do not have them.
// Add a failure with its cause to the table of the first test.

// secretHost is the platform's address, which is for operators alone.
const secretHost = "ocs17.internal.example.net"

// vague finds words in the log that do not help an operator.
var vague = regexp.MustCompile(`context deadline exceeded|\bEOF\b|i/o timeout`)

// The log has the address that could not be reached, the step and the reason. Responses do
// not have them.
func TestAddressesOfThePlatformAreInTheLogAlone(t *testing.T) {
	server := &net.TCPAddr{IP: net.IPv4(192, 0, 2, 77), Port: 2208}
	for name, test := range map[string]struct {
		fail func(ctx context.Context) error
		want string
	}{
		"no server listens": {
			func(context.Context) error {
				return &net.OpError{Op: "dial", Net: "tcp", Addr: server, Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
			}, "platform endpoint primary (" + secretHost + ":2208, 192.0.2.77:2208): TCP: connection refused",
		},
		"no answer": {
			func(ctx context.Context) error {
				<-ctx.Done()
				return &net.OpError{Op: "dial", Net: "tcp", Addr: server, Err: os.ErrDeadlineExceeded}
			}, "platform endpoint primary (" + secretHost + ":2208, 192.0.2.77:2208): TCP: no answer within 5s",
		},
		"no such host": {
			func(context.Context) error {
				return &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: secretHost, IsNotFound: true}}
			}, "platform endpoint primary (" + secretHost + ":2208): DNS: the lookup of " + secretHost + " failed: no such host",
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := setup{platform: func(o *oci.Options) {
				o.Endpoints[0].Address = secretHost + ":2208"
				o.Dial = func(ctx context.Context, _, _ string) (net.Conn, error) { return nil, test.fail(ctx) }
			}}
			inBubble(t, s, func(t *testing.T, r *rig) {
				for _, c := range []call{
					{path: ownList("numbers"), client: system},
					{path: ownList("numbers"), client: system, header: http.Header{"Accept": {"application/problem+json"}}},
					loginCall("groupadmin", "groupadmin-demo"),
					assignFreeRange(),
				} {
					got := r.call(t, c)
					if got.status != http.StatusServiceUnavailable {
						t.Errorf("%s: status %d: %s", c.path, got.status, got.body)
					}
					got.header.Del("X-Request-Id") // random ids may hold any of the words
					got.header.Del("Operation-Id")
					reported := got.body
					for _, values := range got.header {
						reported += strings.Join(values, " ")
					}
					for _, secret := range []string{"internal.example", "192.0.2.77", "2208", "primary", "TCP"} {
						if strings.Contains(reported, secret) {
							t.Errorf("%s: the response has %q: %s", c.path, secret, reported)
						}
					}
					if cause, _ := r.log.last(t)["cause"].(string); !strings.Contains(cause, test.want) || vague.MatchString(cause) {
						t.Errorf("%s: the cause in the log is %q, want %q", c.path, cause, test.want)
					}
				}
			})
		})
	}
}

func TestTheEndOfTheRequestsTimeIsInTheLog(t *testing.T) {
	s := setup{
		faults:  []string{"slow delay=10s command=*RangeGetSummaryListRequest"},
		gateway: func(o *gateway.Options) { o.RequestTimeout = 5 * time.Second },
	}
	inBubble(t, s, func(t *testing.T, r *rig) {
		r.get(t, "numbers").wantError(t, http.StatusGatewayTimeout, "PLATFORM_TIMEOUT")
		if cause, _ := r.log.last(t)["cause"].(string); !strings.HasSuffix(cause, "its answer is lost: the request's time of 5s is over") {
			t.Errorf("cause %q", cause)
		}
	})
}

// brokenBody fails after a byte.
type brokenBody struct {
	begun bool
	err   error
}

func (b *brokenBody) Read(p []byte) (int, error) {
	if b.begun {
		return 0, b.err
	}
	b.begun = true
	return copy(p, "{"), nil
}

func TestWhyABodyCouldNotBeReadIsInTheLog(t *testing.T) {
	for want, err := range map[string]error{
		"the caller's connection ended before the body did": io.ErrUnexpectedEOF,
		"the body did not arrive in time":                   &net.OpError{Op: "read", Err: os.ErrDeadlineExceeded},
		"reading the body: broken":                          errors.New("broken"),
	} {
		r := start(t, setup{})
		request := r.request(t, assignFreeRange())
		request.Body, request.RequestURI = io.NopCloser(&brokenBody{err: err}), request.URL.RequestURI()
		r.handler.ServeHTTP(httptest.NewRecorder(), request)
		if cause, _ := r.log.last(t)["cause"].(string); !strings.HasPrefix(cause, want) {
			t.Errorf("cause %q, want %q", cause, want)
		}
	}
}
