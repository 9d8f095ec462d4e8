package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"time"

	"ocigate/oci"
	"ocigate/translate/errcode"
)

// This file explains the errors of an endpoint: each function returns the cause in plain
// words, and what to do.

// hostOf returns the host of an address.
func hostOf(address string) string {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	return host
}

// causeOf returns the text of an error of a step, without the name of the endpoint.
func causeOf(err error) string {
	if failed, ok := errors.AsType[*oci.ConnectError](err); ok {
		return onOneLine(failed.Err)
	}
	return onOneLine(err)
}

func (x *endpointDoctor) explainDNS(err error) (cause, do string) {
	key := x.place(x.key + ".address")
	failed, ok := errors.AsType[*net.DNSError](err)
	switch {
	case ok && failed.IsNotFound:
		return "no DNS server and no line of the hosts file has the name " + x.host,
			fmt.Sprintf("check the spelling in %s, and from a container its DNS settings and search domains", key)
	case ok && failed.IsTimeout || errors.Is(err, context.DeadlineExceeded):
		return fmt.Sprintf("the lookup of %s got no answer within %v", x.host, x.parts.platform.ConnectTimeout),
			"check that the name servers of this machine or container answer, or use the IP address in " + key
	}
	return causeOf(err), "check the name servers of this machine or container, and " + key
}

func (x *endpointDoctor) explainTCP(err error) (cause, do string) {
	key, address := x.place(x.key+".address"), x.at.Address
	timeout, ok := errors.AsType[net.Error](err)
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return address + " refuses connections: nothing listens on this port, or a firewall rejects it",
			fmt.Sprintf("check the port in %s, usually 2209 with TLS and 2208 without, and that the platform's provisioning server (OCI-P) runs", key)
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH):
		return fmt.Sprintf("there is no route to %s (%s)", address, causeOf(err)),
			fmt.Sprintf("check %s, and the network of this machine or container", key)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), ok && timeout.Timeout():
		return fmt.Sprintf("%s does not answer within %v: the host is down, or a firewall drops the packets", address, x.parts.platform.ConnectTimeout),
			fmt.Sprintf("check %s, that the host is up, and that firewalls let this machine or container connect to it", key)
	}
	return causeOf(err), "check " + key
}

// maxNames is how many names of a certificate are listed.
const maxNames = 10

// explainTLS explains a finding of StageTLS with an error.
func (x *endpointDoctor) explainTLS(f oci.Finding) (cause, do string) {
	if f.Plain {
		return "the endpoint answers with TLS, and the configuration has none for it",
			fmt.Sprintf("set %s.tls.enabled to true, and %s.tls.ca_file if your own authority has issued its certificate", x.key, x.key)
	}
	text := causeOf(f.Err)
	if name, ok := errors.AsType[x509.HostnameError](f.Err); ok {
		return fmt.Sprintf("the certificate is not for the name %s but for %s", name.Host, namesOf(name.Certificate)),
			fmt.Sprintf("check %s; if it is the right server, set %s.tls.server_name to one of these names, or have a certificate issued for %s", x.place(x.key+".address"), x.key, name.Host)
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](f.Err); ok {
		return x.explainAuthority(f.Chain)
	}
	if invalid, ok := errors.AsType[x509.CertificateInvalidError](f.Err); ok && invalid.Reason == x509.Expired {
		return explainValidity(invalid.Cert)
	}
	if header, ok := errors.AsType[tls.RecordHeaderError](f.Err); ok {
		return "the endpoint does not answer with TLS" + orProtocol(header.RecordHeader[:]), x.notTLSAdvice()
	}
	if op, ok := errors.AsType[*net.OpError](f.Err); ok && op.Op == "remote error" {
		return x.explainAlert(op.Err, text)
	}
	return text, x.notTLSAdvice()
}

func (x *endpointDoctor) notTLSAdvice() string {
	return fmt.Sprintf("check the port in %s: it is usually 2209 with TLS; if the endpoint has no TLS, set %s.tls.enabled to false", x.place(x.key+".address"), x.key)
}

// explainAuthority explains that no trusted authority has issued the certificate.
func (x *endpointDoctor) explainAuthority(chain []*x509.Certificate) (cause, do string) {
	trusted := "the authorities of this system"
	if file := x.configured().TLS.CAFile; file != "" {
		trusted = "the authorities in " + file
	} else if system, err := x509.SystemCertPool(); err == nil && system.Equal(x509.NewCertPool()) {
		return "this system or container has no certificate authorities, so it trusts no certificate",
			fmt.Sprintf("set %s.tls.ca_file to the file of the platform's authority, or add the system's, such as /etc/ssl/certs/ca-certificates.crt of the package ca-certificates", x.key)
	}
	if len(chain) == 0 {
		return "none of " + trusted + " has issued the certificate", "set " + x.key + ".tls.ca_file to the file of the authority that has"
	}
	last := chain[len(chain)-1]
	if bytes.Equal(last.RawSubject, last.RawIssuer) {
		return fmt.Sprintf("%s do not include %s, which has issued the certificate", trusted, issuerOf(last)),
			fmt.Sprintf("get the certificate of that authority by a way that you trust, and set %s.tls.ca_file to its file", x.key)
	}
	return fmt.Sprintf("%s do not include %s, which has issued the certificate of %s, the last one that the endpoint sends", trusted, issuerOf(last), subjectOf(last)),
		fmt.Sprintf("set %s.tls.ca_file to the file of that authority; if it is an intermediate one, the platform should send its certificate, too", x.key)
}

// explainValidity explains that a certificate is not valid now.
func explainValidity(c *x509.Certificate) (cause, do string) {
	now := time.Now()
	if now.Before(c.NotBefore) {
		return fmt.Sprintf("the certificate of %s is not valid before %s, and this machine's clock is at %s", subjectOf(c), date(c.NotBefore), date(now)),
			"correct the clock if it is wrong; otherwise use the certificate later, or have another one issued"
	}
	return fmt.Sprintf("the certificate of %s has expired on %s, and this machine's clock is at %s", subjectOf(c), date(c.NotAfter), date(now)),
		"have it renewed on the platform, or correct the clock if it is wrong"
}

// The alerts of TLS that are explained, by RFC 8446 and RFC 5246.
const (
	alertHandshakeFailure    tls.AlertError = 40
	alertBadCertificate      tls.AlertError = 42
	alertUnsupported         tls.AlertError = 43
	alertRevoked             tls.AlertError = 44
	alertExpired             tls.AlertError = 45
	alertCertificateUnknown  tls.AlertError = 46
	alertUnknownAuthority    tls.AlertError = 48
	alertAccessDenied        tls.AlertError = 49
	alertProtocolVersion     tls.AlertError = 70
	alertCertificateRequired tls.AlertError = 116
)

// isAlert reports whether an error is one of some alerts. The alert of the other side
// has a type of package tls that is not exported, but the same text.
func isAlert(err error, alerts ...tls.AlertError) bool {
	for _, a := range alerts {
		if err.Error() == a.Error() {
			return true
		}
	}
	return false
}

// explainAlert explains that the endpoint has refused TLS with this client.
func (x *endpointDoctor) explainAlert(alert error, text string) (cause, do string) {
	own := x.configured().TLS.CertFile
	keys := x.key + ".tls.cert_file and key_file"
	switch {
	case own != "" && isAlert(alert, alertCertificateRequired):
		return fmt.Sprintf("the endpoint demands a client certificate, and that in %s is not of an authority that it accepts (%s)", own, alert),
			fmt.Sprintf("have the platform trust that authority, or set %s to a certificate of another one", keys)
	case isAlert(alert, alertCertificateRequired), own == "" && isAlert(alert, alertBadCertificate, alertHandshakeFailure):
		return fmt.Sprintf("the endpoint demands a client certificate, and the configuration has none (%s)", alert),
			fmt.Sprintf("set %s to a certificate that the platform accepts", keys)
	case own != "" && isAlert(alert, alertBadCertificate, alertUnsupported, alertRevoked, alertExpired, alertCertificateUnknown, alertUnknownAuthority, alertAccessDenied):
		return fmt.Sprintf("the endpoint refuses the client certificate in %s (%s)", own, alert),
			fmt.Sprintf("have the platform trust the authority that has issued it, or set %s to another one", keys)
	case isAlert(alert, alertProtocolVersion):
		return fmt.Sprintf("the endpoint supports no version of TLS that this client accepts (%s)", alert), "have TLS 1.2 or 1.3 turned on at the platform: older versions are not secure"
	}
	return text, "see the log of the platform for the reason"
}

// The platform's numbers for refused credentials that are known publicly.
const (
	userNotFoundNumber = 4008
	wrongPassword      = 4962
	accountDisabled    = 5202
)

// explainLogin explains a failed login, and returns the exit code for it.
func (x *endpointDoctor) explainLogin(f oci.Finding) (cause, do string, code int) {
	refusal, isReply := errors.AsType[*oci.ErrorReply](f.Err)
	if !f.Refused {
		cause, do = x.explainReply(f.Err, f.Beginning)
		if isReply && !x.parts.errors.Temporary(refusal) {
			do = "set platform.login to auto, and check platform.release"
		}
		return cause, do, exitReply
	}
	cause = "the platform refuses the account: " + refusalText(refusal)
	user, password := x.place(x.userKey()), x.place(x.passwordKey())
	switch refusal.Number {
	case wrongPassword:
		cause, do = fmt.Sprintf("the platform refuses the password of %q: %s", x.at.UserID, refusalText(refusal)), "correct "+password
	case userNotFoundNumber:
		cause, do = fmt.Sprintf("the platform has no user %q: %s", x.at.UserID, refusalText(refusal)), "correct "+user
	case accountDisabled:
		cause, do = fmt.Sprintf("the account %q is disabled: %s", x.at.UserID, refusalText(refusal)), "have it enabled on the platform"
	default:
		do = fmt.Sprintf("check on the platform whether the account is locked or expired, and then %s and %s", user, password)
	}
	return cause, do + "; try again only after that, because each refusal may count against the account", exitLogin
}

// refusalText returns the platform's own words.
func refusalText(refusal *oci.ErrorReply) string {
	text := refusal.SummaryEnglish
	if text == "" {
		text = refusal.Summary
	}
	return fmt.Sprintf("%q", text)
}

// explainReply explains that the platform has sent no valid reply. beginning is how that
// which it has sent begins, if it is no document.
func (x *endpointDoctor) explainReply(err error, beginning []byte) (cause, do string) {
	text := causeOf(err)
	if refusal, ok := errors.AsType[*oci.ErrorReply](err); ok {
		if x.parts.errors.Temporary(refusal) {
			return "the platform is temporarily unavailable: " + refusalText(refusal), "try again later; if it lasts, see the log of the platform"
		}
		return "the platform refuses the command: " + refusalText(refusal), "set platform.release to that of the platform"
	}
	const port = "check that the address is that of the platform's provisioning interface (OCI-P)"
	if len(beginning) > 0 {
		return "the endpoint is not a platform with OCI-P" + orProtocol(beginning), port
	}
	protocol, noDocument := errors.AsType[*oci.ProtocolError](err)
	switch {
	case noDocument:
		return "the reply is not one of a platform with OCI-P: " + protocol.Reason, port + ", and see the log of the platform"
	case errors.Is(err, oci.ErrReplyTooLarge):
		return text, port + ", and see the log of the platform"
	case errors.Is(err, context.DeadlineExceeded):
		return "the endpoint accepts the connection and does not answer (" + text + "): it is not a platform with OCI-P, or it hangs", port + ", and that the platform works"
	}
	return text, port + ", without a limit of connections or a filter of addresses in between"
}

// protocols has how servers that are no platform begin.
var protocols = []struct{ beginning, name string }{
	{"HTTP/", "an HTTP server"}, {"SSH-", "an SSH server"}, {"220 ", "a mail or FTP server"}, {"* OK", "a mail server"}, {"-ERR", "a database or mail server"},
}

// orProtocol returns what kind of server begins in that way, with its first bytes.
func orProtocol(beginning []byte) string {
	for _, p := range protocols {
		if bytes.HasPrefix(beginning, []byte(p.beginning)) {
			return ": it is " + p.name
		}
	}
	text, _, _ := strings.Cut(string(beginning), "\n")
	return fmt.Sprintf(": it begins with %q", text)
}

// issuerOf returns the name of who has issued a certificate.
func issuerOf(c *x509.Certificate) string {
	if len(c.Issuer.Names) == 0 {
		return "an authority without a name"
	}
	return fmt.Sprintf("%q", c.Issuer.String())
}

// namesOf returns the names in a certificate for which it is valid.
func namesOf(c *x509.Certificate) string {
	names := append([]string{}, c.DNSNames...)
	for _, ip := range c.IPAddresses {
		names = append(names, ip.String())
	}
	if len(names) == 0 {
		return "none: it has no names in subjectAltName, only the subject " + subjectOf(c)
	}
	if more := len(names) - maxNames; more > 0 {
		names = append(names[:maxNames], fmt.Sprintf("%d more", more))
	}
	return strings.Join(names, ", ")
}

// explainSilence explains that the platform has logged the session in, and then has not
// answered a command.
func explainSilence(err error) (cause, do string) {
	if errors.Is(err, context.DeadlineExceeded) {
		return "the platform has logged the session in and does not answer this command (" + causeOf(err) + ")", "see the log and the load of the platform; platform.timeouts has the limits"
	}
	return causeOf(err), "see the log of the platform"
}

// explainRefusal explains that the platform refuses a read. err is the error of the API
// that callers get.
func (x *endpointDoctor) explainRefusal(refusal *oci.ErrorReply, err error) (cause, do string) {
	cause = "the platform refuses it: " + refusalText(refusal)
	failed, ok := errors.AsType[*errcode.Error](err)
	switch {
	case refusal.Number == unauthorizedTransaction:
		return cause, accountRequired
	case x.parts.errors.Temporary(refusal):
		return "the platform is temporarily unavailable: " + refusalText(refusal), "try again later; if it lasts, see the log of the platform"
	case !ok:
		return cause, "see the log of the platform"
	case failed.Code == errcode.PlatformError && refusal.Number > 0:
		return cause, fmt.Sprintf("check the ids; if they are wrong, the number %d means that they do not exist: map it with api.platform_errors, because callers get the error %s for it", refusal.Number, failed.Code.Name)
	}
	return cause, fmt.Sprintf("check the ids that were given, whose case counts; callers get the error %s: %s", failed.Code.Name, failed.Code.Help)
}
