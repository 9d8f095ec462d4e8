//go:build linux

package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"ocigate/oci/ocisim"
)

// The faults of the configuration and of the platform: see TestDoctorNamesFaults.

// withPlatform makes a rig with a simulated platform, which change may change.
func withPlatform(change func(*ocisim.Seed), further func(*doctorRig, *ocisim.Server)) func(*testing.T) *doctorRig {
	return func(t *testing.T) *doctorRig {
		t.Helper()
		s := simulated(t, change)
		r := newDoctorRig(t, s.Addr)
		if further != nil {
			further(r, s)
		}
		return r
	}
}

// withPeer makes a rig with another server in the place of a platform.
func withPeer(serve func(net.Conn)) func(*testing.T) *doctorRig {
	return func(t *testing.T) *doctorRig {
		t.Helper()
		return newDoctorRig(t, peer(t, serve))
	}
}

// withFault makes a rig with a platform that has a fault.
func withFault(f ocisim.Fault, further func(*doctorRig)) func(*testing.T) *doctorRig {
	return withPlatform(nil, func(r *doctorRig, s *ocisim.Server) {
		if _, err := s.Inject(f); err != nil {
			r.t.Fatal(err)
		}
		if further != nil {
			further(r)
		}
	})
}

var configurationFaults = []doctorFault{
	{name: "an unknown key", check: "configuration", code: exitConfiguration, says: []string{"bogus"},
		make: withPlatform(nil, func(r *doctorRig, _ *ocisim.Server) { r.sections = append(r.sections, "bogus: 1") })},
	{name: "a file of authorities that is not there", check: "configuration", code: exitConfiguration, says: []string{"no such file"},
		make: func(t *testing.T) *doctorRig {
			r := newDoctorRig(t, "")
			r.secured("main", "127.0.0.1:2209", "ca_file: "+filepath.Join(r.folder, "ca.pem"))
			return r
		}},
}

var networkFaults = []doctorFault{
	{name: "a name that does not exist", check: "dns", of: "main", code: exitDNS, says: []string{"ocs.invalid", "hosts file"},
		make: func(t *testing.T) *doctorRig {
			r := newDoctorRig(t, "")
			r.plain("main", "ocs.invalid:2208")
			r.machine.resolver = nameServer(t, true)
			return r
		}},
	{name: "name servers that do not answer", check: "dns", of: "main", code: exitDNS, says: []string{"no answer within 500ms"},
		make: func(t *testing.T) *doctorRig {
			r := newDoctorRig(t, "")
			r.plain("main", "ocs.invalid:2208")
			r.timeouts("connect: 500ms")
			r.machine.resolver = nameServer(t, false)
			return r
		}},
	{name: "a port where nothing listens", check: "tcp", of: "main", code: exitTCP, says: []string{"refuses connections"},
		make: func(t *testing.T) *doctorRig {
			l := listenLocal(t)
			_ = l.Close()
			return newDoctorRig(t, l.Addr().String())
		}},
	{name: "a host that does not answer", check: "tcp", of: "main", code: exitTCP, says: []string{"drops the packets"},
		make: func(t *testing.T) *doctorRig {
			r := newDoctorRig(t, fullBacklog(t))
			r.timeouts("connect: 500ms")
			return r
		}},
	{name: "an address without a route", check: "tcp", of: "main", code: exitTCP, says: []string{"no route"},
		make: func(t *testing.T) *doctorRig {
			return newDoctorRig(t, "255.255.255.255:2208") // Linux sends nothing to it
		}},
}

// fullBacklog returns an address whose queue of connections is full, so that Linux does
// not answer further ones.
func fullBacklog(t *testing.T) string {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(fd) })
	if err = syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err == nil {
		err = syscall.Listen(fd, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	address := fmt.Sprintf("127.0.0.1:%d", name.(*syscall.SockaddrInet4).Port)
	for { // until one is not answered
		conn, err := net.DialTimeout("tcp", address, 100*time.Millisecond)
		if err != nil {
			return address
		}
		t.Cleanup(func() { _ = conn.Close() })
	}
}

// withTLS makes a rig with a platform that has a certificate that authority has issued,
// valid between these times, and keys of tls. further may change the server.
func withTLS(from, until time.Duration, trusted bool, keys string, further func(*tls.Config)) func(*testing.T) *doctorRig {
	return func(t *testing.T) *doctorRig {
		t.Helper()
		authority := issue(t, "authority", -day, 400*day, nil)
		server := serverTLS(issue(t, "platform", from, until, authority))
		if further != nil {
			further(server)
		}
		r := newDoctorRig(t, "")
		if trusted {
			file := filepath.Join(r.folder, "ca.pem")
			writePEM(t, file, authority)
			r.secured("main", simulatedTLS(t, server), keys+fmt.Sprintf("ca_file: %q", file))
			return r
		}
		r.secured("main", simulatedTLS(t, server), keys)
		return r
	}
}

// withClientCertificate makes a rig with a platform that demands a client certificate of an
// authority of its own, in a version of TLS. named says that the platform names the
// authority: then the client does not present a certificate of another one.
func withClientCertificate(version uint16, presented, named bool) func(*testing.T) *doctorRig {
	return func(t *testing.T) *doctorRig {
		t.Helper()
		server := issue(t, "platform", -day, 400*day, nil)
		config := serverTLS(server)
		config.ClientAuth, config.ClientCAs, config.MaxVersion = tls.RequireAndVerifyClientCert, issue(t, "authority of clients", -day, day, nil).pool(), version
		if !named {
			roots := config.ClientCAs
			config.ClientAuth, config.ClientCAs = tls.RequireAnyClientCert, nil
			config.VerifyConnection = func(state tls.ConnectionState) error {
				_, err := state.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
				return err
			}
		}
		r := newDoctorRig(t, "")
		file := filepath.Join(r.folder, "ca.pem")
		writePEM(t, file, server)
		keys := fmt.Sprintf("ca_file: %q", file)
		if presented {
			pair := pairIn(r.folder, "client")
			writePair(t, pair, issue(t, "client", -day, 400*day, nil))
			keys += fmt.Sprintf(", cert_file: %q, key_file: %q", pair.CertFile, pair.KeyFile)
		}
		r.secured("main", simulatedTLS(t, config), keys)
		return r
	}
}

var tlsFaults = []doctorFault{
	{name: "TLS with a port without it", check: "tls", of: "main", code: exitTLS, says: []string{"without TLS"},
		make: func(t *testing.T) *doctorRig {
			r := newDoctorRig(t, "")
			r.secured("main", simulated(t, nil).Addr, "")
			r.timeouts("connect: 500ms")
			return r
		}},
	{name: "TLS with an HTTP server", check: "tls", of: "main", code: exitTLS, says: []string{"HTTP server"},
		make: func(t *testing.T) *doctorRig {
			r := newDoctorRig(t, "")
			r.secured("main", peer(t, answerHTTP), "")
			return r
		}},
	{name: "a port with TLS without it", check: "tls", of: "main", code: exitTLS, says: []string{"answers with TLS", "tls.enabled"},
		make: func(t *testing.T) *doctorRig {
			return newDoctorRig(t, simulatedTLS(t, serverTLS(issue(t, "platform", -day, day, nil))))
		}},
	{name: "a certificate for another name", check: "tls", of: "main", code: exitTLS, says: []string{"not for the name ocs1.example.com but for 127.0.0.1"},
		make: withTLS(-day, 400*day, true, "server_name: ocs1.example.com, ", nil)},
	{name: "a certificate of an unknown authority", check: "tls", of: "main", code: exitTLS, says: []string{`"CN=authority"`, "ca_file"},
		make: withTLS(-day, 400*day, false, "", nil)},
	{name: "an expired certificate", check: "tls", of: "main", code: exitTLS, says: []string{"has expired on"},
		make: withTLS(-3*day, -day, true, "", nil)},
	{name: "a certificate that is not valid yet", check: "tls", of: "main", code: exitTLS, says: []string{"not valid before"},
		make: withTLS(day, 3*day, true, "", nil)},
	{name: "a certificate that expires soon", check: "tls", of: "main", state: checkNote, says: []string{"expires in 4 days"},
		make: withTLS(-day, 5*day-time.Hour, true, "", nil)},
	{name: "an old version of TLS", check: "tls", of: "main", code: exitTLS, says: []string{"no version of TLS"},
		make: withTLS(-day, 400*day, true, "", func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 })},
	{name: "a missing client certificate", check: "tls", of: "main", code: exitTLS, says: []string{"demands a client certificate"},
		make: withClientCertificate(tls.VersionTLS13, false, true)},
	{name: "a missing client certificate with TLS 1.2", check: "tls", of: "main", code: exitTLS, says: []string{"demands a client certificate"},
		make: withClientCertificate(tls.VersionTLS12, false, true)},
	{name: "a client certificate that is not accepted", check: "tls", of: "main", code: exitTLS, says: []string{"client.pem is not of an authority that it accepts"},
		make: withClientCertificate(tls.VersionTLS13, true, true)},
	{name: "a client certificate that is refused", check: "tls", of: "main", code: exitTLS, says: []string{"refuses the client certificate in DIR/client.pem"},
		make: withClientCertificate(tls.VersionTLS13, true, false)},
}

// asAccount makes a rig that logs in as another account.
func asAccount(user string) func(*testing.T) *doctorRig {
	return withPlatform(nil, func(r *doctorRig, _ *ocisim.Server) { r.user = user })
}

var loginFaults = []doctorFault{
	{name: "a wrong password", check: "login", of: "main", code: exitLogin, says: []string{"Invalid password", "platform.password (DIR/ocigate.yaml: line 5)"},
		make: withPlatform(func(s *ocisim.Seed) { s.Administrators[0].Password = "another" }, nil)},
	{name: "an unknown user", check: "login", of: "main", code: exitLogin, says: []string{`no user "nobody"`}, make: asAccount("nobody")},
	{name: "a disabled account", check: "login", of: "main", code: exitLogin, says: []string{"is disabled"}, make: asAccount("disabled")},
	{name: "a locked account", check: "login", of: "main", code: exitLogin, says: []string{"locked"},
		make: withFault(ocisim.Fault{Kind: ocisim.ErrorBeforeApply, Command: "LoginRequest*", Number: 9904, Summary: "The account is locked after repeated failures"}, nil)},
	{name: "an expired password", check: "login", of: "main", code: exitLogin, says: []string{"expired"}, make: asAccount("expired")},
	{name: "an account that another endpoint has refused", check: "login", of: "second", state: checkSkipped, code: exitLogin, says: []string{"refused the account"},
		make: withPlatform(func(s *ocisim.Seed) { s.Administrators[0].Password = "another" }, func(r *doctorRig, s *ocisim.Server) { r.plain("second", s.Addr) })},
	{name: "an account of a group", check: "rights", of: "main", code: exitRights, says: []string{"Group of ApioSpTest/ApioGrpTest", "System or Provisioning"}, make: asAccount("groupadmin")},
	{name: "an account of a reseller", check: "rights", of: "main", code: exitRights, says: []string{"other resellers"},
		make: func(t *testing.T) *doctorRig {
			server := issue(t, "platform", -day, 400*day, nil)
			r := newDoctorRig(t, "")
			r.user = "reseller"
			file := filepath.Join(r.folder, "ca.pem")
			writePEM(t, file, server)
			r.secured("main", simulatedTLS(t, serverTLS(server)), fmt.Sprintf("ca_file: %q", file))
			return r
		}},
}

// answerHTTP answers as an HTTP server that does not understand the request.
func answerHTTP(c net.Conn) {
	_, _ = c.Read(make([]byte, 4096))
	_, _ = io.WriteString(c, "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
}

var replyFaults = []doctorFault{
	{name: "an HTTP server", check: "login", of: "main", code: exitReply, says: []string{"it is an HTTP server"}, make: withPeer(answerHTTP)},
	{name: "an SSH server", check: "login", of: "main", code: exitReply, says: []string{"it is an SSH server"},
		make: withPeer(func(c net.Conn) { _, _ = io.WriteString(c, "SSH-2.0-OpenSSH_9.9\r\n"); _, _ = io.Copy(io.Discard, c) })},
	{name: "a server that repeats what it gets", check: "login", of: "main", code: exitReply,
		make: withPeer(func(c net.Conn) { _, _ = io.Copy(c, c) })},
	{name: "a server that does not answer", check: "login", of: "main", code: exitReply, says: []string{"does not answer"},
		make: withFault(ocisim.Fault{Kind: ocisim.StallConnection}, func(r *doctorRig) { r.timeouts("connect: 500ms, login: 500ms") })},
	{name: "a server that closes the connection", check: "login", of: "main", code: exitReply, says: []string{"closed the connection"},
		make: withPeer(func(c net.Conn) { _, _ = c.Read(make([]byte, 4096)) })},
	{name: "a platform that is temporarily unavailable", check: "login", of: "main", code: exitReply, says: []string{"temporarily unavailable", "try again later"},
		make: withFault(ocisim.Fault{Kind: ocisim.ErrorBeforeApply, Command: "LoginRequest*", Number: 9999, Summary: "The system is temporarily unavailable"}, nil)},
	{name: "a release that is set too high", check: "release", of: "main", code: exitReply, says: []string{`is 24, but the platform reports the version "21sp1"`},
		make: withPlatform(func(s *ocisim.Seed) { s.Platform.Release = 21 }, func(r *doctorRig, _ *ocisim.Server) { r.platform = append(r.platform, `release: "24"`) })},
	{name: "a release that is set too low", check: "release", of: "main", state: checkNote, says: []string{"is 22, but", "release 25"},
		make: withPlatform(func(s *ocisim.Seed) { s.Platform.Release = 25 }, func(r *doctorRig, _ *ocisim.Server) { r.platform = append(r.platform, `release: "22"`) })},
	{name: "a platform that does not report its version", check: "release", of: "main", state: checkNote, says: []string{"does not report a version"},
		make: withPlatform(func(s *ocisim.Seed) { s.Platform.Without = []string{"SystemSoftwareVersionGetRequest*"} }, nil)},
	{name: "a tenant that does not exist", check: "read", of: "main", code: exitReply, says: []string{"Service provider not found", "number 9902", "api.platform_errors"},
		make: withPlatform(nil, func(r *doctorRig, _ *ocisim.Server) { r.args = []string{"--tenant", "nowhere"} })},
	{name: "a read without rights", check: "read", of: "main", code: exitRights, says: []string{"Unauthorized"},
		make: withFault(ocisim.Fault{Kind: ocisim.ErrorBeforeApply, Command: "ServiceProviderGetRequest*", Number: 5404, Summary: "Unauthorized transaction"},
			func(r *doctorRig) { r.args = []string{"--tenant", "ApioSpTest"} })},
	{name: "an account that may not read administrators", check: "administrators", of: "main", code: exitRights, says: []string{"5404", "auth.check_admins"},
		make: withFault(ocisim.Fault{Kind: ocisim.ErrorBeforeApply, Command: "SystemAdminGetRequest", Number: 5404, Summary: "Unauthorized transaction"}, nil)},
	{name: "a read without an answer", check: "read", of: "main", code: exitReply, says: []string{"no answer within 500ms"},
		make: withFault(ocisim.Fault{Kind: ocisim.Stall, Command: "ServiceProviderGetRequest*"},
			func(r *doctorRig) { r.args = []string{"--tenant", "ApioSpTest"}; r.timeouts("command: 500ms") })},
}
