package oci

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"math/big"
	"net"
	"os"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// The texts of connection errors: an operator must understand each without knowing the code.
// To add a case, add a fault and the text to the table of
// TestErrorsOfConnectionsAreExplained.

// bare finds texts that mean nothing to an operator.
var bare = regexp.MustCompile(`context deadline exceeded|context canceled|\bEOF\b|i/o timeout|<nil>|%!`)

// wantWords checks the text of an error, which must not contain a bare one.
func wantWords(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	if err != nil && bare.MatchString(err.Error()) {
		t.Errorf("an error without an explanation: %v", err)
	}
}

// dialPeer makes connections to a peer that is a function.
func dialPeer(peers *sync.WaitGroup, peer func(net.Conn)) func(context.Context, string, string) (net.Conn, error) {
	return func(context.Context, string, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		buffered := &bufferedConn{Conn: theirs, queue: make(chan []byte, 100)}
		peers.Go(func() {
			peer(buffered)
			close(buffered.queue)
		})
		peers.Go(buffered.deliver)
		return ours, nil
	}
}

// bufferedConn accepts what is written immediately, like a socket and unlike a pipe.
type bufferedConn struct {
	net.Conn
	queue chan []byte
}

func (c *bufferedConn) Write(b []byte) (int, error) {
	c.queue <- bytes.Clone(b)
	return len(b), nil
}

func (*bufferedConn) Close() error { return nil } // deliver does

// deliver writes the data, and then closes the connection.
func (c *bufferedConn) deliver() {
	for b := range c.queue {
		_, _ = c.Conn.Write(b) // the other side may have closed the connection
	}
	_ = c.Conn.Close()
}

// silent is a peer that reads and sends nothing.
func silent(c net.Conn) { _, _ = io.Copy(io.Discard, c) }

// says is a peer that sends the same text whatever it receives.
func says(text string) func(net.Conn) {
	return func(c net.Conn) {
		_, _ = c.Write([]byte(text))
		silent(c)
	}
}

// speaksTLS is a peer that makes a TLS handshake, and then reads.
func speaksTLS(config *tls.Config) func(net.Conn) {
	return func(c net.Conn) { silent(tls.Server(c, config)) }
}

// certificate returns a certificate for the name primary, with its own authority.
func certificate(t *testing.T, ends time.Time) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "primary"}, DNSNames: []string{"primary"},
		NotBefore: ends.AddDate(-1, 0, 0), NotAfter: ends,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(parsed)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

// startOfBubbles is when the time of a synctest bubble begins.
var startOfBubbles = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// dialing fails, or not, by a function.
func dialing(fail func(ctx context.Context) error) func(*Options) {
	return func(o *Options) {
		o.Dial = func(ctx context.Context, _, _ string) (net.Conn, error) { return nil, fail(ctx) }
	}
}

func TestErrorsOfConnectionsAreExplained(t *testing.T) {
	good, trusted := certificate(t, startOfBubbles.AddDate(0, 1, 0))
	expired, trustedToo := certificate(t, startOfBubbles.AddDate(0, 0, -1))
	server := &net.TCPAddr{IP: net.IPv4(192, 0, 2, 7), Port: 2208}
	dialError := func(err error) error { return &net.OpError{Op: "dial", Net: "tcp", Addr: server, Err: err} }
	var peers *sync.WaitGroup // of the test that runs
	secured := func(peer func(net.Conn), roots *x509.CertPool, name string) func(*Options) {
		return func(o *Options) {
			o.Endpoints[0].TLS = &tls.Config{RootCAs: roots, ServerName: name, MinVersion: tls.VersionTLS12}
			o.Dial = dialPeer(peers, peer)
		}
	}
	inTheClear := func(peer func(net.Conn)) func(*Options) { return func(o *Options) { o.Dial = dialPeer(peers, peer) } }
	for name, test := range map[string]struct {
		change func(*Options)
		want   string // but for the endpoint
		stage  Stage
	}{
		"a host that does not exist": {
			dialing(func(context.Context) error {
				return &net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", Name: "primary", Server: "192.0.2.53:53", IsNotFound: true}}
			}),
			" (primary:2208): DNS: the lookup of primary failed: no such host (name server 192.0.2.53:53)", "dns",
		},
		"a port without a listener": {
			dialing(func(context.Context) error { return dialError(os.NewSyscallError("connect", syscall.ECONNREFUSED)) }),
			" (primary:2208, 192.0.2.7:2208): TCP: connection refused", "dial",
		},
		"a network that swallows": {
			dialing(func(ctx context.Context) error { <-ctx.Done(); return dialError(os.ErrDeadlineExceeded) }),
			" (primary:2208, 192.0.2.7:2208): TCP: no answer within 5s", "dial",
		},
		"one of two addresses that swallows": {
			dialing(func(context.Context) error { return dialError(os.ErrDeadlineExceeded) }),
			" (primary:2208, 192.0.2.7:2208): TCP: no answer in this address's part of the time", "dial",
		},
		"a server that does not answer TLS": {
			secured(silent, trusted, ""),
			" (primary:2208): TLS: no answer within 5s (is this the port without TLS?)", "tls",
		},
		"another protocol than TLS": {
			secured(says("HTTP/1.1 400 Bad Request\r\n"), trusted, ""),
			" (primary:2208): TLS: the endpoint does not answer with TLS: is this the port without TLS?", "tls",
		},
		"an end in the handshake": {
			secured(func(c net.Conn) { _, _ = c.Read(make([]byte, 4096)) }, trusted, ""),
			" (primary:2208): TLS: the platform closed the connection during the handshake: is this the port without TLS?", "tls",
		},
		"a certificate that has expired": {
			secured(speaksTLS(&tls.Config{Certificates: []tls.Certificate{expired}}), trustedToo, ""),
			" (primary:2208): TLS: failed to verify certificate: x509: certificate has expired or is not yet valid: " +
				"current time 2000-01-01T00:00:00Z is after 1999-12-31T00:00:00Z (the platform's certificate has to be renewed, or a clock is wrong)", "tls",
		},
		"an authority that is not trusted": {
			secured(speaksTLS(&tls.Config{Certificates: []tls.Certificate{good}}), x509.NewCertPool(), ""),
			" (primary:2208): TLS: failed to verify certificate: x509: certificate signed by unknown authority " +
				"(no trusted authority has signed the platform's certificate: trust the one that has)", "tls",
		},
		"another name": {
			secured(speaksTLS(&tls.Config{Certificates: []tls.Certificate{good}}), trusted, "other.example.com"),
			" (primary:2208): TLS: failed to verify certificate: x509: certificate is valid for primary, not other.example.com " +
				"(the platform's certificate is for another name than the expected one, which is the address's host unless another is set)", "tls",
		},
		"a server that has no version of TLS in common": {
			secured(speaksTLS(&tls.Config{Certificates: []tls.Certificate{good}, MaxVersion: tls.VersionTLS11}), trusted, ""),
			" (primary:2208): TLS: remote error: tls: protocol version not supported " +
				"(the endpoint refuses TLS with this client: it may demand a client certificate, or another version of TLS)", "tls",
		},
		"TLS where none is expected": {
			inTheClear(func(c net.Conn) {
				_, _ = c.Read(make([]byte, 4096))
				_, _ = c.Write([]byte("\x15\x03\x01\x00\x02\x02\x46")) // the alert of an unsupported version
			}),
			" (primary:2208): login: the endpoint answers with TLS: is this the port with TLS?", "login",
		},
		"a login without an answer": {
			inTheClear(silent),
			" (primary:2208): login: no answer within 10s", "login",
		},
		"a login whose answer takes longer than that of any command": {
			func(o *Options) { o.CommandTimeout = 3 * time.Second; inTheClear(silent)(o) },
			" (primary:2208): login: no answer within 3s", "login",
		},
		"an end in the login": {
			inTheClear(func(c net.Conn) { _, _ = c.Read(make([]byte, 4096)) }),
			" (primary:2208): login: the platform closed the connection: is this the port with TLS, or does its release not support the command?", "login",
		},
		"an end in the login over TLS": {
			secured(func(c net.Conn) {
				secured := tls.Server(c, &tls.Config{Certificates: []tls.Certificate{good}})
				_, _ = secured.Read(make([]byte, 4096))
				_ = secured.Close()
			}, trusted, ""),
			" (primary:2208): login: the platform closed the connection: does its release not support the command?", "login",
		},
		"half an answer to the login": {
			inTheClear(func(c net.Conn) { _, _ = c.Read(make([]byte, 4096)); _, _ = c.Write([]byte("<?xml")) }),
			" (primary:2208): login: the platform closed the connection in the middle of a document", "login",
		},
		"no answer about the version": {
			func(o *Options) {
				o.Release = ReleaseUnknown
				p := &platform{answer: func(p *platform, c *link, r asked) {
					if !strings.HasPrefix(r.commands[0], "SystemSoftwareVersion") {
						wellAnswered(p, c, r)
					}
				}}
				o.Dial = p.Dial
			},
			" (primary:2208): question for the version: no answer within 10s", "version",
		},
	} {
		t.Run(name, func(t *testing.T) {
			peers = &sync.WaitGroup{}
			run(t, &platform{}, func(o *Options) { test.change(o); o.MaxWait = time.Minute }, func(t *testing.T, c *Client) {
				_, err := c.Read(t.Context(), question)
				failed, ok := errors.AsType[*ConnectError](err)
				if !ok || failed.Stage != test.stage {
					t.Errorf("got %v", err)
					return
				}
				wantWords(t, failed, "oci: platform endpoint primary"+test.want)
				wantWords(t, err, "oci: no session with the platform: "+failed.Error())
				peers.Wait()
			})
		})
	}
}

// On a real port, errors of the operating system contain the address, too.
// A certificate may hold names of any length.
func TestWhatIsSaidOfACertificateIsShort(t *testing.T) {
	for _, err := range []error{
		x509.HostnameError{Certificate: &x509.Certificate{DNSNames: []string{long}, Extensions: []pkix.Extension{{Id: []int{2, 5, 29, 17}}}}, Host: "primary"},
		errors.New("tls: " + long),
	} {
		if text := explainTLS(err); len(text) > 1000 || !strings.Contains(text, ellipsis) {
			t.Errorf("%d bytes: %.100q", len(text), text)
		}
	}
}

func TestRealAddressesAreNamed(t *testing.T) {
	for address, want := range map[string]string{
		"127.0.0.1:1": `^oci: no session with the platform: oci: platform endpoint 127\.0\.0\.1:1: TCP: connection refused$`,
		"localhost:1": `^oci: no session with the platform: oci: platform endpoint localhost:1 \((127\.0\.0\.1|\[::1\]):1\): TCP: connection refused$`,
	} {
		c, err := New(Options{Endpoints: []Endpoint{{Address: address}}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Read(t.Context(), question); err == nil || !regexp.MustCompile(want).MatchString(err.Error()) {
			t.Errorf("got  %v\nwant %s", err, want)
		}
		if err := c.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

// A resolver of the operating system uses real time, so this test does not run in a
// bubble. The name server never answers.
func TestANameServerThatDoesNotAnswerIsNamedAsSuch(t *testing.T) {
	dialer := &net.Dialer{Resolver: &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}}}
	c, err := New(Options{Endpoints: []Endpoint{{Name: "primary", Address: "ocs.invalid:2208"}}, ConnectTimeout: 50 * time.Millisecond, Dial: dialer.DialContext})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Read(t.Context(), question)
	wantWords(t, err, "oci: no session with the platform: oci: platform endpoint primary (ocs.invalid:2208): DNS: no answer within 50ms")
	if failed, ok := errors.AsType[*ConnectError](err); !ok || failed.Stage != "dns" {
		t.Errorf("got %v", err)
	}
	if err := c.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestErrorsOfSeveralEndpointsAreOneLine(t *testing.T) {
	run(t, &platform{}, func(o *Options) {
		o.Endpoints = append(o.Endpoints, Endpoint{Name: "secondary", Address: "secondary:2208"})
		dialing(func(context.Context) error { return syscall.ECONNREFUSED })(o)
	}, func(t *testing.T, c *Client) {
		_, err := c.Read(t.Context(), question)
		wantWords(t, err, "oci: no session with the platform: oci: platform endpoint primary (primary:2208): TCP: connection refused; "+
			"oci: platform endpoint secondary (secondary:2208): TCP: connection refused")
		if !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("the cause is lost: %v", err)
		}
	})
}

// The end of a session, a caller's timeout and a timeout of the client are explained, for
// every caller.
func TestErrorsOfCommandsAreExplained(t *testing.T) {
	const lost = "oci: endpoint primary: the command was sent and its answer is lost: "
	hour := func(t *testing.T) (context.Context, context.CancelFunc) {
		return context.WithTimeout(t.Context(), time.Hour)
	}
	for name, test := range map[string]struct {
		answer func(c *link)
		ctx    func(t *testing.T) (context.Context, context.CancelFunc)
		want   string
		is     error
	}{
		"no answer":      {func(*link) {}, hour, lost + "no answer within 20s", context.DeadlineExceeded},
		"an end":         {func(c *link) { _ = c.Close() }, hour, lost + "the platform closed the connection", io.EOF},
		"half an answer": {func(c *link) { _, _ = c.Write([]byte("<Broads")); _ = c.Close() }, hour, lost + "the platform closed the connection in the middle of a document", io.ErrUnexpectedEOF},
		"a short time": {func(*link) {}, func(t *testing.T) (context.Context, context.CancelFunc) {
			return context.WithTimeout(t.Context(), time.Second)
		}, lost + "the caller timed out", context.DeadlineExceeded},
		"a named time":      {func(*link) {}, func(t *testing.T) (context.Context, context.CancelFunc) { return within(t.Context(), time.Second) }, lost + "no answer within 1s", context.DeadlineExceeded},
		"a canceled caller": {func(*link) {}, leaving, lost + "the caller canceled", context.Canceled},
	} {
		t.Run(name, func(t *testing.T) {
			closed := make(chan error, 10)
			p := &platform{answer: func(p *platform, c *link, r asked) {
				if r.commands[0] == question.Name() {
					test.answer(c)
					return
				}
				wellAnswered(p, c, r)
			}}
			run(t, p, func(o *Options) {
				o.Trace.SessionClosed = func(_ string, why CloseReason, err error) {
					if why == ClosedBroken {
						closed <- err
					}
				}
			}, func(t *testing.T, c *Client) {
				ctx, cancel := test.ctx(t)
				defer cancel()
				_, err := c.Read(ctx, question)
				wantWords(t, err, test.want)
				if !errors.Is(err, test.is) || NotDone(err) {
					t.Errorf("%v is no %v, or reported as not done", err, test.is)
				}
			})
			close(closed)
			for err := range closed {
				if bare.MatchString(err.Error()) {
					t.Errorf("the session's end: %v", err)
				}
			}
		})
	}
}

func leaving(t *testing.T) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(time.Second, cancel)
	return ctx, cancel
}

func TestErrorsOfWaitingCallersAreExplained(t *testing.T) {
	second := func(t *testing.T) (context.Context, context.CancelFunc) {
		return context.WithTimeout(t.Context(), time.Second)
	}
	never := &platform{dial: func(ctx context.Context, _ string) error { <-ctx.Done(); return ctx.Err() }}
	run(t, never, nil, func(t *testing.T, c *Client) {
		ctx, cancel := second(t)
		defer cancel()
		_, err := c.Read(ctx, question)
		wantWords(t, err, "oci: no session with the platform: the first one is still being made: the caller timed out")
	})
	run(t, &platform{answer: slowly(10 * time.Second)}, func(o *Options) { o.MaxSessions = 1 }, func(t *testing.T, c *Client) {
		var first sync.WaitGroup
		first.Go(func() { _, _ = c.Read(t.Context(), question) })
		synctest.Wait()
		ctx, cancel := second(t)
		defer cancel()
		_, err := c.Read(ctx, questionOf(1))
		wantWords(t, err, "oci: all sessions are in use: the caller left the queue: the caller timed out")
		_, err = c.Write(ctx, change, nil)
		wantWords(t, err, "oci: all sessions are in use: the caller left the queue: the caller timed out")
		again, cancel := second(t)
		defer cancel()
		_, err = c.Read(again, question)
		wantWords(t, err, "oci: endpoint primary: the command was sent and its answer is lost: waiting for the same read of another caller: the caller timed out")
		ended, cancel := second(t)
		defer cancel()
		wantWords(t, c.Close(ended), "oci: sessions were still in use when closing was cut short")
		first.Wait()
	})
	run(t, &platform{}, nil, func(t *testing.T, c *Client) {
		ctx, cancel := second(t)
		defer cancel()
		_, err := c.Write(ctx, change, func(string) error { time.Sleep(2 * time.Second); return nil })
		wantWords(t, err, "oci: endpoint primary: nothing was sent: the caller timed out")
		if !errors.Is(err, context.DeadlineExceeded) || !NotDone(err) {
			t.Errorf("got %v", err)
		}
	})
}

func TestIsTLS(t *testing.T) {
	for text, want := range map[string]bool{
		"\x15\x03\x01\x00\x02\x02\x28": true, "\x16\x03\x03": true, "<?xml": false, "\x15": false, "\x15\x02": false, "\x18\x03\x01": false, "": false,
	} {
		if got := isTLS([]byte(text)); got != want {
			t.Errorf("%q: %t", text, got)
		}
	}
}
