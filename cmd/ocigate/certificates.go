package main

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"ocigate/config"
	"ocigate/gateway"
)

// certificates holds the contents of the certificate files of a configuration at the time
// when they were read. It is immutable.
type certificates struct {
	api       *tls.Certificate // nil for plain HTTP
	endpoints []*tls.Config    // in the configuration's order, nil for plain TCP
	files     []certificateFile
}

// certificateFile is a file of certificates that are used together.
type certificateFile struct {
	path     string // its key in the configuration, such as "http.tls.cert_file"
	name     string
	keyName  string // of the file of the private key, empty without one
	use      gateway.CertificateUse
	endpoint string // its name, empty for the API
	list     []*x509.Certificate
	// content is a digest of the file, and of the file of the private key.
	content [sha256.Size]byte
}

// pool returns the certificates of the file as authorities.
func (f certificateFile) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	for _, authority := range f.list {
		pool.AddCert(authority)
	}
	return pool
}

// readCertificates reads all certificate files of a configuration. Its error lists all
// files that cannot be used. The others are returned also with an error.
func readCertificates(c *config.Config) (*certificates, error) {
	read := &certificates{}
	var problems []error
	if c.HTTP.TLS.Present() {
		pair, file, err := readKeyPair(c.HTTP.TLS.CertFile, c.HTTP.TLS.KeyFile)
		if err != nil {
			problems = append(problems, &valueError{"http.tls", err})
		} else {
			read.api = pair
			read.add(file, "http.tls", "", gateway.UseAPI)
		}
	}
	for i, e := range c.Platform.Endpoints {
		secured, files, err := readEndpointTLS(e.TLS)
		path := fmt.Sprintf("platform.endpoints[%d].tls", i)
		if err != nil {
			problems = append(problems, &valueError{path, err})
		}
		read.endpoints = append(read.endpoints, secured)
		for _, file := range files {
			read.add(file, path, e.Name, file.use)
		}
	}
	return read, errors.Join(problems...)
}

func (c *certificates) add(file certificateFile, section, endpoint string, use gateway.CertificateUse) {
	file.path, file.endpoint, file.use = section+"."+file.path, endpoint, use
	c.files = append(c.files, file)
}

// readEndpointTLS reads the files for TLS with an endpoint. Without TLS, it returns
// nil.
func readEndpointTLS(c config.EndpointTLS) (*tls.Config, []certificateFile, error) {
	if !c.Enabled {
		return nil, nil, nil
	}
	secured := &tls.Config{ServerName: c.ServerName, MinVersion: tls.VersionTLS12}
	var files []certificateFile
	var problems [2]error
	if c.CAFile != "" {
		file, err := readAuthorities(c.CAFile)
		if err != nil {
			problems[0] = fmt.Errorf("ca_file: %w", err)
		} else {
			secured.RootCAs = file.pool()
			files = append(files, file)
		}
	}
	if c.CertFile != "" {
		pair, file, err := readKeyPair(c.CertFile, c.KeyFile)
		if err != nil {
			problems[1] = err
		} else {
			secured.Certificates = []tls.Certificate{*pair}
			files = append(files, file)
		}
	}
	return secured, files, errors.Join(problems[:]...)
}

// readAuthorities reads a file of authorities. It skips certificates that Go cannot
// parse, as x509.CertPool does, because the file may contain many others.
func readAuthorities(name string) (certificateFile, error) {
	text, err := os.ReadFile(name) //nolint:gosec // the operator names it
	if err != nil {
		return certificateFile{}, err
	}
	file := certificateFile{path: "ca_file", name: name, use: gateway.UsePlatformCA, content: sha256.Sum256(text)}
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		if authority, err := x509.ParseCertificate(block.Bytes); err == nil {
			file.list = append(file.list, authority)
		}
	}
	if len(file.list) == 0 {
		return certificateFile{}, fmt.Errorf("%s contains no PEM certificate", name)
	}
	return file, nil
}

// readKeyPair reads a certificate with its intermediates, and its private key.
func readKeyPair(certName, keyName string) (*tls.Certificate, certificateFile, error) {
	certificate, certErr := os.ReadFile(certName) //nolint:gosec // the operator names it
	key, keyErr := os.ReadFile(keyName)           //nolint:gosec // the operator names it
	if err := errors.Join(certErr, keyErr); err != nil {
		return nil, certificateFile{}, fmt.Errorf("cert_file and key_file: %w", err)
	}
	pair, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		return nil, certificateFile{}, fmt.Errorf("cert_file and key_file: %s with %s: %w", certName, keyName, err)
	}
	file := certificateFile{path: "cert_file", name: certName, keyName: keyName, use: gateway.UsePlatformClient}
	file.content = sha256.Sum256(append(sum(certificate), sum(key)...))
	for i, der := range pair.Certificate {
		parsed, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, certificateFile{}, fmt.Errorf("cert_file: %s: certificate %d: %w", certName, i+1, err)
		}
		// The validity of a self-signed authority does not matter: clients use
		// their own copy of it or do not trust it.
		if i == 0 || !bytes.Equal(parsed.RawSubject, parsed.RawIssuer) {
			file.list = append(file.list, parsed)
		}
	}
	return &pair, file, nil
}

func sum(content []byte) []byte {
	digest := sha256.Sum256(content)
	return digest[:]
}

// serverTLS returns the TLS configuration of the API, and nil for plain HTTP.
func (c *certificates) serverTLS() *tls.Config {
	if c.api == nil {
		return nil
	}
	return &tls.Config{
		MinVersion:   tls.VersionTLS12,
		NextProtos:   []string{"h2", "http/1.1"},
		Certificates: []tls.Certificate{*c.api},
	}
}

// inUse returns the certificates for the metrics.
func (c *certificates) inUse() []gateway.Certificate {
	list := make([]gateway.Certificate, len(c.files))
	for i, file := range c.files {
		list[i] = gateway.Certificate{Use: file.use, PlatformEndpoint: file.endpoint, NotAfter: file.firstToExpire().NotAfter}
	}
	return list
}

// names returns the names of the files: one, or two with the private key.
func (f *certificateFile) names() []string {
	if f.keyName == "" {
		return []string{f.name}
	}
	return []string{f.name, f.keyName}
}

// String returns the key and the name of the file.
func (f *certificateFile) String() string { return f.path + " " + f.name }

// firstToExpire returns the certificate that expires first.
func (f *certificateFile) firstToExpire() *x509.Certificate {
	first := f.list[0]
	for _, other := range f.list[1:] {
		if other.NotAfter.Before(first.NotAfter) {
			first = other
		}
	}
	return first
}

// soon is the time before the expiry of a certificate in which it is reported.
const soon = 14 * 24 * time.Hour

// validity checks whether the certificates of the file can be used at a time. If they
// cannot, fault is the error; notes are further hints for the operator. Of several
// authorities, any may be the one that is needed, so one that is valid is enough. Of a
// certificate with its intermediates, all must be valid.
func (f *certificateFile) validity(now time.Time) (notes []string, fault error) {
	var faults []error
	for _, certificate := range f.list {
		name := "the certificate of " + subjectOf(certificate)
		left := certificate.NotAfter.Sub(now)
		switch {
		case left < 0:
			faults = append(faults, fmt.Errorf("%s: %s expired on %s", f, name, date(certificate.NotAfter)))
		case now.Before(certificate.NotBefore):
			faults = append(faults, &passingError{fmt.Errorf("%s: %s is not valid before %s", f, name, date(certificate.NotBefore))})
		case left < soon:
			notes = append(notes, fmt.Sprintf("%s: %s expires in %s, on %s", f, name, daysOrHours(left), date(certificate.NotAfter)))
		}
	}
	if f.use == gateway.UsePlatformCA && len(faults) < len(f.list) {
		for _, expired := range faults {
			notes = append(notes, expired.Error())
		}
		return notes, nil
	}
	return notes, errors.Join(faults...)
}

// subjectOf returns the name in a certificate: the subject's or, if that is empty, the
// first of the alternative names, or the serial number.
func subjectOf(c *x509.Certificate) string {
	switch {
	case len(c.Subject.Names) > 0:
		return strconv.Quote(c.Subject.String())
	case len(c.DNSNames) > 0:
		return strconv.Quote(c.DNSNames[0])
	case len(c.IPAddresses) > 0:
		return strconv.Quote(c.IPAddresses[0].String())
	}
	return "serial number " + c.SerialNumber.String()
}

func date(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func daysOrHours(d time.Duration) string {
	if hours := int(d.Hours()); hours < 48 {
		return strconv.Itoa(hours) + " hours"
	}
	return strconv.Itoa(int(d.Hours())/24) + " days"
}

// validity checks all files as [certificateFile.validity] does.
func (c *certificates) validity(now time.Time) (notes []string, fault error) {
	var faults []error
	for i := range c.files {
		some, fault := c.files[i].validity(now)
		faults = append(faults, fault)
		notes = append(notes, some...)
	}
	return notes, errors.Join(faults...)
}
