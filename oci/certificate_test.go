package oci

import (
	"crypto/tls"
	"strings"
	"sync"
	"testing"
	"time"
)

// The expiry of endpoints' certificates in Client.Stats. To add a case, add a certificate to
// the table.

func TestExpiryOfTheCertificateIsKnown(t *testing.T) {
	for name, test := range map[string]struct {
		ends time.Time
		up   bool
		want string
	}{
		"of one that is accepted": {startOfBubbles.AddDate(0, 1, 0), true, ""},
		"of one that is not":      {startOfBubbles.AddDate(0, 0, -1), false, "certificate has expired"},
	} {
		t.Run(name, func(t *testing.T) {
			pair, roots := certificate(t, test.ends)
			peers := &sync.WaitGroup{}
			s := &site{}
			s.run(t, func(o *Options) {
				o.Endpoints = o.Endpoints[1:]
				o.Endpoints[0].TLS = &tls.Config{RootCAs: roots, ServerName: "primary", MinVersion: tls.VersionTLS12}
				o.Dial = dialPeer(peers, speaksTLS(&tls.Config{Certificates: []tls.Certificate{pair}}))
				o.MinSessions = 0
			}, func(t *testing.T, c *Client) {
				if ends := c.Stats().Endpoints[0].PeerCertificateNotAfter; !ends.IsZero() {
					t.Errorf("before the first handshake it ends at %v", ends)
				}
				time.Sleep(time.Second + beside)
				got := c.Stats().Endpoints[0]
				if !got.PeerCertificateNotAfter.Equal(test.ends) || got.Up != test.up || (got.LastError != nil) == test.up {
					t.Errorf("got %+v", got)
				}
				if got.LastError != nil && !strings.Contains(got.LastError.Error(), test.want) {
					t.Errorf("got %v", got.LastError)
				}
				peers.Wait()
			})
		})
	}
	s := &site{}
	s.run(t, nil, func(t *testing.T, c *Client) {
		time.Sleep(time.Second + beside)
		for _, e := range c.Stats().Endpoints {
			if !e.PeerCertificateNotAfter.IsZero() {
				t.Errorf("%s has no TLS, and a certificate that ends at %v", e.Name, e.PeerCertificateNotAfter)
			}
		}
	})
}
