package ocisim

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
)

// Server is a platform that listens on its own port on the loopback interface.
type Server struct {
	*Platform
	// Addr is the host and port of the listener.
	Addr string

	certificate *Certificate // nil without TLS
}

// NewServer starts a server, which the caller closes. As in net/http/httptest, it
// panics if the seed is not valid or no port is available.
func NewServer(seed Seed, options ...Option) *Server {
	return startServer(seed, options, nil)
}

// NewTLSServer starts a server that uses TLS with a generated certificate; see
// [Server.CertPool]. The caller closes it. It panics like [NewServer].
func NewTLSServer(seed Seed, options ...Option) *Server {
	certificate, err := NewCertificate("localhost", "127.0.0.1", "::1")
	if err != nil {
		panic(err)
	}
	return startServer(seed, options, certificate)
}

func startServer(seed Seed, options []Option, certificate *Certificate) *Server {
	p, err := New(seed, options...)
	if err != nil {
		panic(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // returns immediately
	if err != nil {
		panic(fmt.Errorf("ocisim: %w", err))
	}
	addr := l.Addr().String()
	if certificate != nil {
		l = tls.NewListener(l, certificate.ServerConfig())
	}
	p.work.Go(func() { _ = p.Serve(l) }) // ends with ErrClosed
	return &Server{Platform: p, Addr: addr, certificate: certificate}
}

// CertPool returns a pool with the certificate that a client has to trust; nil for
// a server without TLS.
func (s *Server) CertPool() *x509.CertPool {
	if s.certificate == nil {
		return nil
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(s.certificate.PEM())
	return pool
}

// CertPEM returns the certificate that a client has to trust, in PEM; nil for a
// server without TLS.
func (s *Server) CertPEM() []byte {
	if s.certificate == nil {
		return nil
	}
	return s.certificate.PEM()
}
