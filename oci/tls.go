package oci

import (
	"crypto/tls"
	"net"
)

// completeTLS returns a copy of a configuration with what the endpoint needs: at
// least TLS 1.2, and the name that the platform's certificate must have.
func (e *endpoint) completeTLS(given *tls.Config) *tls.Config {
	config := given.Clone()
	config.MinVersion = max(config.MinVersion, tls.VersionTLS12)
	if config.ServerName == "" {
		// The address was checked with the options.
		config.ServerName, _, _ = net.SplitHostPort(e.Address)
	}
	return config
}

// currentTLS returns the configuration for a new connection of an endpoint with TLS.
func (e *endpoint) currentTLS() *tls.Config {
	with := e.secrets.Load()
	if with.tlsSource == nil {
		return with.tls
	}
	current := with.tlsSource()
	if current == nil {
		return with.tls
	}
	return e.completeTLS(current)
}
