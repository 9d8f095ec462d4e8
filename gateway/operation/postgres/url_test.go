//go:build unix

package postgres

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"ocigate/oci/ocisim"
)

// These tests specify when a database is reached without TLS, and what errors contain of a
// password. The server is on this machine, but at the address 0.0.0.0, which is no loopback
// address. To add a URL, add a row to the table of TestPasswordsAreSentOverVerifiedTLSOnly.

// askingServer is a server that asks for the password in clear text.
type askingServer struct {
	port string
	tls  *tls.Config // nil: it declines TLS

	mu       sync.Mutex // guards received
	received bytes.Buffer
}

// startAsking starts a server. It is stopped when the test ends.
func startAsking(t *testing.T, secured *tls.Config) *askingServer {
	t.Helper()
	l, err := net.Listen("tcp4", "0.0.0.0:0")
	must(t, err)
	_, port, err := net.SplitHostPort(l.Addr().String())
	must(t, err)
	s := &askingServer{port: port, tls: secured}
	var work sync.WaitGroup
	work.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			work.Go(func() { s.serve(conn) })
		}
	})
	t.Cleanup(func() { _ = l.Close(); work.Wait() })
	return s
}

// serve serves a connection until the client has sent a password or has left.
func (s *askingServer) serve(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	for {
		message, err := s.read(conn, 0)
		if err != nil {
			return
		}
		const sslRequest = 80877103
		if binary.BigEndian.Uint32(message) != sslRequest {
			break
		}
		if s.tls == nil {
			_, _ = io.WriteString(conn, "N")
			continue
		}
		_, _ = io.WriteString(conn, "S")
		secured := tls.Server(conn, s.tls)
		if secured.Handshake() != nil {
			return
		}
		conn = secured
	}
	const clearText = 3
	_, _ = conn.Write([]byte{'R', 0, 0, 0, 8, 0, 0, 0, clearText})
	if _, err := s.read(conn, 1); err != nil {
		return
	}
	text := "SFATAL\x00VFATAL\x00C28P01\x00Mrefused\x00\x00"
	_, _ = conn.Write(append(binary.BigEndian.AppendUint32([]byte{'E'}, uint32(len(text)+4)), text...))
}

// read reads a message whose length follows after some bytes, and keeps it.
func (s *askingServer) read(conn net.Conn, before int) ([]byte, error) {
	head := make([]byte, before+4)
	if _, err := io.ReadFull(conn, head); err != nil {
		return nil, err
	}
	size := binary.BigEndian.Uint32(head[before:])
	if size < 8 || size > 10000 {
		return nil, errors.New("not a message")
	}
	body := make([]byte, size-4)
	_, err := io.ReadFull(conn, body)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.received.Write(body)
	return body, err
}

func (s *askingServer) has(text string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Contains(s.received.String(), text)
}

const canary = "canary-of-the-database"

func TestPasswordsAreSentOverVerifiedTLSOnly(t *testing.T) {
	for _, c := range []struct {
		name, address string // HOST and PORT are those of the server, whose address is not local
		environment   map[string]string
		sent          bool // because the URL says so
	}{
		{"by default", "postgres://u:canary-of-the-database@HOST/d", nil, false},
		{"without a password in the URL", "postgres://u@HOST/d", map[string]string{"PGPASSWORD": canary}, false},
		{"with other parameters", "postgres://u:canary-of-the-database@HOST/d?target_session_attrs=read-write", nil, false},
		{"with an empty mode", "postgres://u:canary-of-the-database@HOST/d?sslmode=", nil, false},
		{"with an empty mode at the end", "postgres://u:canary-of-the-database@HOST/d?sslmode=disable&sslmode=", nil, false},
		{"with the end of the parameters only", "postgres://u:canary-of-the-database@HOST/d?", nil, false},
		{"with a parameter that is no mode", "postgres://u:canary-of-the-database@HOST/d?xsslmode=disable", nil, false},
		{"with a mode in the name of the database", "postgres://u:canary-of-the-database@HOST/sslmode=disable", nil, false},
		{"with a mode in the password", "postgres://u:" + canary + "?sslmode=disable&x=@HOST/d", nil, false},
		{"with a host in a parameter", "postgres:///d?host=0.0.0.0&port=PORT&user=u&password=canary-of-the-database", nil, false},
		{"with a local host first", "postgres://u:canary-of-the-database@127.0.0.1:1,HOST/d", nil, false},
		{"with a socket first", "postgres:///d?host=/nowhere,0.0.0.0&port=1,PORT&user=u&password=canary-of-the-database", nil, false},
		{"whatever PGSSLMODE says", "postgres://u:canary-of-the-database@HOST/d", map[string]string{"PGSSLMODE": "disable"}, false},
		{"whatever PGSSLMODE allows", "postgres://u:canary-of-the-database@HOST/d", map[string]string{"PGSSLMODE": "allow"}, false},
		{"to the host of PGHOST", "postgres://u:canary-of-the-database@/d", map[string]string{"PGHOST": "0.0.0.0", "PGPORT": "PORT", "PGSSLMODE": "prefer"}, false},
		{"to the host of PGSERVICE", "postgres://u:canary-of-the-database@/d", map[string]string{"PGSERVICE": "remote"}, false},
		{"to the host of a service", "postgres:///d?service=remote&password=canary-of-the-database", nil, false},

		{"unless the URL says disable", "postgres://u:canary-of-the-database@HOST/d?sslmode=disable", nil, true},
		{"unless the URL says prefer", "postgres://u:canary-of-the-database@HOST/d?sslmode=prefer", nil, true},
		{"unless the URL says so in another spelling", "postgres://u:canary-of-the-database@HOST/d?ssl%6dode=disable", nil, true},
		{"unless the host is a loopback address", "postgres://u:canary-of-the-database@127.0.0.1:PORT/d", nil, true},
		{"unless the host is localhost", "postgres://u:canary-of-the-database@LocalHost:PORT/d", nil, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			server := startAsking(t, nil)
			places := strings.NewReplacer("HOST", "0.0.0.0:"+server.port, "PORT", server.port)
			services := filepath.Join(t.TempDir(), "services")
			must(t, os.WriteFile(services, []byte("[remote]\nhost=0.0.0.0\nport="+server.port+"\nsslmode=disable\nuser=u\n"), 0o600))
			t.Setenv("PGSERVICEFILE", services)
			for name, value := range c.environment {
				t.Setenv(name, places.Replace(value))
			}
			s := open(t, places.Replace(c.address), Options{})
			err := s.Check(t.Context())
			if got := server.has(canary); err == nil || got != c.sent {
				t.Errorf("the server has the password: %v, want %v (%v)", got, c.sent, err)
			}
			if !c.sent && !strings.Contains(fmt.Sprint(err), "the URL sets no sslmode") {
				t.Errorf("the error does not say what to do: %v", err)
			}
		})
	}
}

// Without sslmode, a server whose certificate is verified gets the password.
func TestTLSIsUsedWithoutAMode(t *testing.T) {
	certificate, err := ocisim.NewCertificate("0.0.0.0")
	must(t, err)
	file := filepath.Join(t.TempDir(), "ca.crt")
	must(t, os.WriteFile(file, certificate.PEM(), 0o600))
	for name, trusted := range map[string]bool{"with its authority": true, "with an unknown authority": false} {
		t.Run(name, func(t *testing.T) {
			server := startAsking(t, certificate.ServerConfig())
			address := "postgres://u:" + canary + "@0.0.0.0:" + server.port + "/d"
			if trusted {
				address += "?sslrootcert=" + file
			}
			err := open(t, address, Options{}).Check(t.Context())
			if got := server.has(canary); got != trusted {
				t.Errorf("the server has the password: %v (%v)", got, err)
			}
			if _, err = Inspect(t.Context(), address, Options{}); server.has(canary) != trusted || strings.Contains(err.Error(), "sets no sslmode") == trusted {
				t.Errorf("Inspect: %v", err)
			}
		})
	}
}

func TestWeakness(t *testing.T) {
	for parameters, want := range map[string]string{
		"":                      "",
		"sslmode=verify-full":   "",
		"sslmode=disable":       "permits connections without TLS to db.example.com",
		"sslmode=prefer":        "does not require that the certificate of db.example.com is verified: whoever is in between can pretend to be the server; permits connections without TLS to db.example.com",
		"sslmode=allow":         "permits connections without TLS to db.example.com",
		"sslmode=require":       "does not require that the certificate of db.example.com is verified",
		"ssl=true":              "does not require that the certificate of db.example.com is verified",
		"sslmode=verify-ca":     "does not require that the name in the certificate of db.example.com is verified",
		"sslmode=bogus":         "",
		"sslrootcert=system":    "",
		"sslmode=disable&x=a@b": "", // Open refuses it
	} {
		got := Weakness("postgres://u:p@db.example.com/d?" + parameters)
		if !strings.HasPrefix(got, want) || (want == "") != (got == "") {
			t.Errorf("%s: %q", parameters, got)
		}
	}
	for _, local := range []string{"127.0.0.1", "127.9.9.9:1", "[::1]", "[::ffff:127.0.0.1]:5432", "localhost", "LOCALHOST", "", "%2Frun"} {
		if got := Weakness("postgres://u:p@" + local + "/d?sslmode=disable"); got != "" {
			t.Errorf("%s: %q", local, got)
		}
	}
	for _, remote := range []string{"10.0.0.1", "[::2]", "[fe80::1]", "localhost.example.com", "localhost.", "127.0.0.1.example.com", "127.1", "0.0.0.0", "127.0.0.1,db"} {
		if got := Weakness("postgres://u:p@" + remote + "/d?sslmode=disable"); got == "" {
			t.Errorf("%s is taken for this machine", remote)
		}
	}
}

// Passwords with special characters that are not encoded are refused, or taken as they are.
// Nothing of them is in an error, in the address of the log, or in the name of a host that is
// looked up.
func TestNothingOfAPasswordIsPrinted(t *testing.T) {
	t.Setenv("PGSSLMODE", "disable")
	for _, password := range []string{
		"x@CANARY", "x/CANARY", "1/CANARY", "x:CANARY", "x?CANARY", "x#CANARY", "1#CANARY", "x%CANARY", "x%40CANARY", "x CANARY", "x[CANARY", "x]CANARY",
		"x\\CANARY", "x=CANARY", "x&CANARY=1", "x;CANARY", "x,CANARY", "x@CANARY/", "x@h/CANARY?", "x@CANARY:1/d?sslmode=disable&", "x/@CANARY", "x?a=b@CANARY",
		"/CANARY", "@CANARY", ":CANARY", "x\"CANARY", "x`CANARY`", "x%00CANARY", "1?CANARY", "1:2/CANARY", "x@[::1]/CANARY", "CANARY@127.0.0.1:1/d?a=", "x@127.0.0.1:1/CANARY?b=",
	} {
		for _, after := range []string{"", "?sslmode=some", "?sslmode=disable", "?pool_max_conns=some", "?password=CANARY@", "?password=CANARY%ZZ&sslmode=some", "?pass%77ord=CANARY&sslmode=some", "?user=a%40b&sslmode=some"} {
			address := "postgres://u:" + password + "@127.0.0.1:1/d" + after
			printed := Weakness(address)
			if s, err := Open(address, Options{}); err != nil {
				printed += err.Error()
			} else {
				printed += s.Address() + fmt.Sprint(s.Check(t.Context()))
				_, err := Inspect(t.Context(), address, Options{})
				printed += fmt.Sprint(err)
				must(t, s.Close())
			}
			if strings.Contains(printed, "CANARY") {
				t.Errorf("%s: %s", address, printed)
			}
		}
	}
}
