package ocisim

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"time"
)

// Server is a platform that listens on a port of its own on the loopback
// interface.
type Server struct {
	*Platform
	// Addr is host and port.
	Addr string

	certificate *Certificate // nil without TLS
}

// NewServer starts a server. As in net/http/httptest, what cannot be expected
// to fail in a test panics: a seed that is not valid, no port. Whoever started
// the server closes it.
func NewServer(seed Seed, options ...Option) *Server {
	return startServer(seed, options, nil)
}

// NewTLSServer starts a server that speaks TLS with a certificate that it makes
// for itself; see [Server.CertPool].
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
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // returns at once
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

// CertPool holds the certificate that a client has to trust, or is nil for a
// server without TLS.
func (s *Server) CertPool() *x509.CertPool {
	if s.certificate == nil {
		return nil
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(s.certificate.PEM())
	return pool
}

// CertPEM is the certificate that a client has to trust, or nil for a server
// without TLS.
func (s *Server) CertPEM() []byte {
	if s.certificate == nil {
		return nil
	}
	return s.certificate.PEM()
}

// Certificate is a certificate for a simulated platform. It is its own
// authority.
type Certificate struct {
	pair tls.Certificate
	pem  []byte
}

// NewCertificate makes a certificate for some host names and addresses. It is
// good for a year.
func NewCertificate(hosts ...string) (*Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("ocisim: making a key: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(time.Now().UnixNano()),
		Subject:               pkix.Name{CommonName: "ocisim"},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().AddDate(1, 0, 0),
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		IsCA:                  true,
		BasicConstraintsValid: true,
	}
	for _, h := range hosts {
		if ip := net.ParseIP(h); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, h)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("ocisim: making a certificate: %w", err)
	}
	return &Certificate{
		pair: tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key},
		pem:  pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
	}, nil
}

// PEM is the certificate without its key.
func (c *Certificate) PEM() []byte { return bytes.Clone(c.pem) }

// ServerConfig is the configuration of a server that shows the certificate.
func (c *Certificate) ServerConfig() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{c.pair}}
}
