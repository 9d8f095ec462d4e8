package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"syscall"
	"time"

	"ocigate/gateway"
)

// nameListener is the name of the checks of the listeners, which are named by their keys.
const nameListener = "listener"

// askLimit limits a question to a listener of a running gateway.
const askLimit = 5 * time.Second

// checkListeners checks whether the addresses of both listeners are free, or are those of
// a running gateway, and the certificate of the API.
func (d *doctor) checkListeners(ctx context.Context) {
	running := d.checkListener(ctx, "admin.listen", d.config.Admin.Listen, d.askAdmin)
	d.checkListener(ctx, "http.listen", d.config.HTTP.Listen, func(ctx context.Context, address string) (string, error) {
		return d.askAPI(ctx, address, running)
	})
	d.checkServerCertificate()
}

// checkListener checks one address. ask asks who has it, and returns an error if that is
// no gateway. It returns what ask has returned.
func (d *doctor) checkListener(ctx context.Context, key, address string, ask func(ctx context.Context, address string) (string, error)) (running string) {
	began := time.Now()
	c := check{Name: nameListener, Of: key, Tried: "listen on " + address, code: exitListener}
	bound, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err == nil {
		_ = bound.Close() // it was only a test
		d.report.ok(c, time.Since(began), "the address is free; no gateway with this configuration runs here")
		return ""
	}
	place := d.place(key)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		running, asked := ask(ctx, reachable(address))
		if asked != nil {
			d.report.fail(c, time.Since(began), fmt.Sprintf("another program listens on %s: %s", address, onOneLine(asked)), "end that program, or set "+place+" to another port")
			return ""
		}
		d.report.ok(c, time.Since(began), running)
		return running
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		d.report.fail(c, time.Since(began), "this machine or container does not have the address "+hostOf(address), "set "+place+" to one of its addresses; an empty host means all of them")
	case errors.Is(err, syscall.EACCES):
		d.report.fail(c, time.Since(began), "this user may not listen on a port below 1024", "set "+place+" to a higher port, or give the program the right to bind it")
	default:
		d.report.fail(c, time.Since(began), onOneLine(err), "correct "+place)
	}
	return ""
}

// reachable returns the address at which a listener on this machine can be reached.
func reachable(address string) string {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	return net.JoinHostPort(onThisMachine(host), port)
}

// errNoGatewayThere is returned for a listener of another program.
var errNoGatewayThere = errors.New("it does not answer as a gateway does")

// runningVersion finds the version in the metrics of a gateway.
var runningVersion = regexp.MustCompile(`(?m)^ocigate_build_info\{[^}]*\bversion="([^"]*)"`)

// askAdmin asks a listener for operators whether it is that of a gateway, and which.
func (d *doctor) askAdmin(ctx context.Context, address string) (string, error) {
	base := "http://" + address
	if _, body, err := d.get(ctx, base+"/livez"); err != nil {
		return "", err
	} else if !strings.HasPrefix(body, "alive") {
		return "", errNoGatewayThere
	}
	_, body, err := d.get(ctx, base+"/metrics")
	if err != nil {
		return "", err
	}
	version := runningVersion.FindStringSubmatch(body)
	if version == nil {
		return "", errors.New("its metrics are not those of a gateway")
	}
	status, ready, err := d.get(ctx, base+"/readyz")
	if err != nil {
		return "", err
	}
	if status != http.StatusOK {
		return fmt.Sprintf("ocigate %s runs and is not ready: %s", version[1], strings.TrimSpace(ready)), nil
	}
	return fmt.Sprintf("ocigate %s runs and is ready", version[1]), nil
}

// askAPI asks a listener of the API whether it is that of a gateway. running is what the
// listener for operators has answered.
func (d *doctor) askAPI(ctx context.Context, address, running string) (string, error) {
	scheme := "http://"
	if d.parts.certificates.serverTLS() != nil {
		scheme = "https://"
	}
	index, _ := routeNamed(gateway.IndexRoute) // it is in every table
	status, body, err := d.get(ctx, scheme+address+index.FullPath())
	switch {
	case err != nil:
		return "", err
	case status != http.StatusUnauthorized || !strings.Contains(body, `"errors"`):
		return "", errNoGatewayThere
	case running == "":
		return "", errors.New("it answers as a gateway does, but its listener for operators is not at admin.listen: it has another configuration")
	}
	return running, nil
}

// maxAsked limits what is read of an answer.
const maxAsked = 4 << 20

// get makes a request to a listener on this machine, without credentials. It does not
// verify the certificate: the name that it is for is not the address that is asked.
func (d *doctor) get(ctx context.Context, url string) (status int, body string, err error) {
	ctx, cancel := context.WithTimeout(ctx, d.limit(askLimit))
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, "", err
	}
	client := &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}, //nolint:gosec // see above
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	response, err := client.Do(request)
	switch {
	case ctx.Err() != nil:
		return 0, "", errors.New("it does not answer")
	case err != nil:
		return 0, "", errNoGatewayThere
	}
	defer func() { _ = response.Body.Close() }() // it was only read
	text, err := io.ReadAll(io.LimitReader(response.Body, maxAsked))
	return response.StatusCode, string(text), err
}

// checkServerCertificate checks the certificate of the API, if it has one.
func (d *doctor) checkServerCertificate() {
	began := time.Now()
	c := check{Name: "certificate", Of: "http.tls", Tried: "read the certificate of the API and its key", code: exitListener}
	files := d.parts.certificates
	if files.api == nil {
		d.report.skip(c, "no certificate is configured: the API uses HTTP without TLS")
		return
	}
	for _, file := range files.files {
		if file.use != gateway.UseAPI {
			continue
		}
		c.Tried = "read " + file.name + " and its key"
		leaf := file.list[0]
		found := fmt.Sprintf("the key matches; the certificate is for %s, issued by %s, and the chain of %d is valid until %s", namesOf(leaf), issuerOf(leaf), len(files.api.Certificate), date(file.firstToExpire().NotAfter))
		notes, fault := file.validity(time.Now())
		switch {
		case fault != nil:
			d.report.fail(c, time.Since(began), onOneLine(fault), "have it renewed: clients refuse the connection")
		case len(notes) > 0:
			d.report.note(c, time.Since(began), strings.Join(notes, "; "), "have it renewed in time")
		case len(leaf.DNSNames) == 0 && len(leaf.IPAddresses) == 0:
			d.report.note(c, time.Since(began), found, "have one issued with a name in subjectAltName: clients refuse a certificate without one")
		default:
			d.report.ok(c, time.Since(began), found)
		}
	}
}
