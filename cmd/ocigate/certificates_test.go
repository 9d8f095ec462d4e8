package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"ocigate/config"
	"ocigate/oci/ocisim"
)

// These tests specify the certificates of a running program: that of the API, and the one
// that it presents to the platform.

// writeKeyPair writes a self-signed certificate, for loopback and for both ends of TLS, with
// its key.
func writeKeyPair(t *testing.T) (pair config.KeyPair, authority *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: "gateway"},
		NotAfter:     time.Now().Add(time.Hour),
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	pair = config.KeyPair{CertFile: filepath.Join(folder, "cert.pem"), KeyFile: filepath.Join(folder, "key.pem")}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate})
	if err := errors.Join(
		os.WriteFile(pair.CertFile, text, 0o600),
		os.WriteFile(pair.KeyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600),
	); err != nil {
		t.Fatal(err)
	}
	authority = x509.NewCertPool()
	authority.AppendCertsFromPEM(text)
	return pair, authority
}

// TestProgramShowsItsClientCertificate runs a platform that rejects clients without a
// certificate.
func TestProgramShowsItsClientCertificate(t *testing.T) {
	platform, err := ocisim.New(ocisim.DemoSeed())
	if err != nil {
		t.Fatal(err)
	}
	server, err := ocisim.NewCertificate("127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, server.PEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	pair, authority := writeKeyPair(t)
	secured := server.ServerConfig()
	secured.ClientAuth, secured.ClientCAs = tls.RequireAndVerifyClientCert, authority
	plain, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- platform.Serve(tls.NewListener(plain, secured)) }()
	t.Cleanup(func() {
		_ = platform.Close() // never fails
		if err := <-served; !errors.Is(err, ocisim.ErrClosed) {
			t.Error(err)
		}
	})
	for name, test := range map[string]struct {
		pair   config.KeyPair
		status int
	}{
		"with it":    {pair, http.StatusOK},
		"without it": {config.KeyPair{}, http.StatusServiceUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			g := start(t, plain.Addr().String(), func(c *config.Config) {
				c.Platform.Endpoints[0].TLS = config.EndpointTLS{
					Enabled: true, CAFile: ca, CertFile: test.pair.CertFile, KeyFile: test.pair.KeyFile,
				}
			})
			status, body := ask(t, "GET", "http://"+g.api+"/api/v1"+itc("ApioSpTest", "ApioGrpTest", "numbers"), "")
			if status != test.status {
				t.Errorf("numbers: %d %s", status, body)
			}
			g.stop()
			if err := <-g.ended; err != nil {
				t.Errorf("Run: %v", err)
			}
		})
	}
}

func TestProgramServesHTTPS(t *testing.T) {
	pair, authority := writeKeyPair(t)
	g := start(t, newPlatform(t).Addr, func(c *config.Config) { c.HTTP.TLS = pair })
	client := &http.Client{Timeout: time.Minute, Transport: &http.Transport{
		DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: authority},
	}}
	if status := statusOverTLS(t, client, g.api); status != http.StatusOK {
		t.Errorf("numbers: %d", status)
	}
	g.stop()
	if err := <-g.ended; err != nil {
		t.Errorf("Run: %v", err)
	}
}

// statusOverTLS returns the status of a list that a listed client reads over TLS.
func statusOverTLS(t *testing.T, client *http.Client, api string) int {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+api+"/api/v1"+itc("ApioSpTest", "ApioGrpTest", "numbers"), http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	request.SetBasicAuth("portal", demoSecret)
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	return response.StatusCode
}
