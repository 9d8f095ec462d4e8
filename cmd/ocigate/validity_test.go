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
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ocigate/config"
)

// These tests specify how certificates that have expired, or will soon, are reported.

// day is the unit of the validity of certificates.
const day = 24 * time.Hour

// issued is a certificate with its key.
type issued struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

// issue returns a certificate for both ends of TLS on loopback that is valid between these
// times relative to now. Without an issuer it is self-signed.
func issue(t *testing.T, name string, from, until time.Duration, issuer *issued) *issued {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(time.Now().UnixNano()),
		Subject:               pkix.Name{CommonName: name},
		NotBefore:             time.Now().Add(from),
		NotAfter:              time.Now().Add(until),
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
		IPAddresses:           []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	parent, signer := template, key
	if issuer != nil {
		parent, signer = issuer.certificate, issuer.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &issued{certificate, key}
}

func (i *issued) pair() tls.Certificate {
	return tls.Certificate{Certificate: [][]byte{i.certificate.Raw}, PrivateKey: i.key}
}

func (i *issued) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(i.certificate)
	return pool
}

// writePEM writes certificates to a file.
func writePEM(t *testing.T, file string, list ...*issued) {
	t.Helper()
	var text []byte
	for _, i := range list {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: i.certificate.Raw})...)
	}
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// writePair writes a certificate, its chain and its key to the files of a pair.
func writePair(t *testing.T, files config.KeyPair, leaf *issued, chain ...*issued) {
	t.Helper()
	writePEM(t, files.CertFile, append([]*issued{leaf}, chain...)...)
	writeKey(t, files.KeyFile, leaf)
}

func writeKey(t *testing.T, file string, of *issued) {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(of.key)
	if err := errors.Join(err, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600)); err != nil {
		t.Fatal(err)
	}
}

func pairIn(folder, name string) config.KeyPair {
	return config.KeyPair{CertFile: filepath.Join(folder, name+".pem"), KeyFile: filepath.Join(folder, name+".key")}
}

// TestConfigCheckReportsInvalidCertificates runs the command with files of each kind. To add a
// case, add an entry to the map.
func TestConfigCheckReportsInvalidCertificates(t *testing.T) {
	folder := t.TempDir()
	api, client, ca := pairIn(folder, "api"), pairIn(folder, "client"), filepath.Join(folder, "ca.pem")
	file := filepath.Join(folder, "ocigate.yaml")
	if err := os.WriteFile(file, fmt.Appendf(nil, `
http: {tls: {cert_file: %q, key_file: %q}}
platform:
  endpoints:
    - {name: primary, address: "127.0.0.1:2209", tls: {ca_file: %q, cert_file: %q, key_file: %q}}
  user_id: gateway
  password: word
`, api.CertFile, api.KeyFile, ca, client.CertFile, client.KeyFile), 0o600); err != nil {
		t.Fatal(err)
	}
	root := issue(t, "root", -day, 100*day, nil)
	old := issue(t, "old root", -100*day, -3*day, nil)
	good := func(name string) *issued { return issue(t, name, -day, 30*day, root) }
	for name, test := range map[string]struct {
		write  func()
		faults []string // empty for a valid configuration
		notes  []string
	}{
		"all are valid": {write: func() {}},
		"the API's has expired": {
			write:  func() { writePair(t, api, issue(t, "api.example.com", -2*day, -day, root)) },
			faults: []string{"http.tls.cert_file " + api.CertFile + `: the certificate of "CN=api.example.com" expired on 20`},
		},
		"the API's intermediate has expired": {
			write: func() {
				intermediate := issue(t, "intermediate", -2*day, -day, root)
				writePair(t, api, issue(t, "api", -day, 30*day, intermediate), intermediate)
			},
			faults: []string{api.CertFile + `: the certificate of "CN=intermediate" expired on 20`},
		},
		"an expired root beside the API's does not count": {
			write: func() { writePair(t, api, good("api"), old) },
		},
		"the client's is not valid yet": {
			write:  func() { writePair(t, client, issue(t, "gateway", day, 2*day, root)) },
			faults: []string{"platform.endpoints[0].tls.cert_file " + client.CertFile + `: the certificate of "CN=gateway" is not valid before 20`},
			// There must be no note that it expires soon.
		},
		"the only authority has expired": {
			write:  func() { writePEM(t, ca, old) },
			faults: []string{"platform.endpoints[0].tls.ca_file " + ca + `: the certificate of "CN=old root" expired on 20`},
		},
		"one of two authorities has expired": {
			write: func() { writePEM(t, ca, old, root) },
			notes: []string{ca + `: the certificate of "CN=old root" expired on 20`},
		},
		"all of them": {
			write: func() {
				writePair(t, api, issue(t, "api", -2*day, -day, root))
				writePair(t, client, issue(t, "gateway", -2*day, -day, root))
				writePEM(t, ca, old)
			},
			faults: []string{api.CertFile, client.CertFile, ca},
		},
		"one expires soon": {
			write: func() { writePair(t, api, issue(t, "api", -day, 9*day+time.Hour, root)) },
			notes: []string{"http.tls.cert_file " + api.CertFile + `: the certificate of "CN=api" expires in 9 days, on 20`},
		},
		"one expires in hours": {
			write: func() { writePEM(t, ca, issue(t, "root", -day, 5*time.Hour+time.Minute, nil)) },
			notes: []string{ca + `: the certificate of "CN=root" expires in 5 hours, on 20`},
		},
		"a key is another's": {
			write:  func() { writeKey(t, api.KeyFile, root) },
			faults: []string{"http.tls: cert_file and key_file: " + api.CertFile + " with " + api.KeyFile + ": tls: private key does not match public key"},
		},
		"an authority's file is empty": {
			write:  func() { writePEM(t, ca) },
			faults: []string{"platform.endpoints[0].tls: ca_file: " + ca + " contains no PEM certificate"},
		},
		"one cannot be read and another has expired": {
			write: func() {
				writeKey(t, api.KeyFile, root)
				writePEM(t, ca, old)
			},
			faults: []string{api.KeyFile + ": tls: private key does not match", ca + `: the certificate of "CN=old root" expired`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			writePair(t, api, good("api"))
			writePair(t, client, good("gateway"))
			writePEM(t, ca, root)
			test.write()
			out, errs, err := execute(t, "", "config", "check", "--config", file)
			if (err != nil) != (len(test.faults) > 0) || (out == "") != (err != nil) {
				t.Errorf("error %v, wrote %q", err, out)
			}
			for _, fault := range test.faults {
				if err == nil || !strings.Contains(err.Error(), fault) {
					t.Errorf("%q is not in the error:\n%v", fault, err)
				}
			}
			if n := strings.Count(errs, "\n"); n != len(test.notes) {
				t.Errorf("%d notes, want %d:\n%s", n, len(test.notes), errs)
			}
			for _, note := range test.notes {
				if !strings.Contains(errs, "note: ") || !strings.Contains(errs, note) {
					t.Errorf("%q is not in the notes:\n%s", note, errs)
				}
			}
		})
	}
}

// TestProgramServesWithAnExpiredCertificate restarts a gateway after its certificate has
// expired.
func TestProgramServesWithAnExpiredCertificate(t *testing.T) {
	pair := pairIn(t.TempDir(), "api")
	leaf := issue(t, "api", -2*day, -day, nil)
	writePair(t, pair, leaf)
	g := start(t, newPlatform(t).Addr, func(c *config.Config) { c.HTTP.TLS = pair })
	if shown := shownBy(t, g.api); !shown.Equal(leaf.certificate) {
		t.Errorf("it shows the certificate of %s", shown.Subject)
	}
	log := g.log.String()
	if !strings.Contains(log, "level=ERROR") || !strings.Contains(log, pair.CertFile) || !strings.Contains(log, "expired on") {
		t.Errorf("the log does not name the file:\n%s", log)
	}
	g.stop()
	if err := <-g.ended; err != nil {
		t.Errorf("Run: %v", err)
	}
}

// shownBy returns the certificate that a server presents to a new connection.
func shownBy(t *testing.T, address string) *x509.Certificate {
	t.Helper()
	dialer := &tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true}}
	conn, err := dialer.DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	secured, _ := conn.(*tls.Conn)
	return secured.ConnectionState().PeerCertificates[0]
}
