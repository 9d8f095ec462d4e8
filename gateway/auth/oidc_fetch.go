package auth

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// maxIssuerDocument is the limit of the discovery document and of the key set, in
// bytes. Those of issuers in use have a few thousand.
const maxIssuerDocument = 1 << 20

// fetchKeys fetches the discovery document and then the keys. Redirects are not
// followed: an issuer publishes the addresses themselves.
func (i *Issuer) fetchKeys(ctx context.Context) (*keySet, error) {
	client, err := i.client()
	if err != nil {
		return nil, err
	}
	defer client.CloseIdleConnections()
	document, err := get(ctx, client, strings.TrimSuffix(i.options.URL, "/")+"/.well-known/openid-configuration")
	if err != nil {
		return nil, fmt.Errorf("discovery: %w", err)
	}
	var discovery struct {
		Issuer string `json:"issuer"`
		Keys   string `json:"jwks_uri"`
	}
	if err := json.Unmarshal(document, &discovery); err != nil {
		return nil, fmt.Errorf("discovery: the document is not valid: %w", err)
	}
	if discovery.Issuer != i.options.URL {
		return nil, fmt.Errorf("discovery: the document is of issuer %.200q, not %q", discovery.Issuer, i.options.URL)
	}
	if err := i.checkKeysURL(discovery.Keys); err != nil {
		return nil, fmt.Errorf("discovery: %w", err)
	}
	if document, err = get(ctx, client, discovery.Keys); err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	return parseKeys(document, i.options.Algorithms)
}

// checkKeysURL returns an error if keys must not be fetched from an address. Only an
// issuer on the loopback interface may use the loopback interface without TLS.
func (i *Issuer) checkKeysURL(text string) error {
	keys, err := url.Parse(text)
	if err != nil || keys.Host == "" {
		return fmt.Errorf("jwks_uri is not an address: %.200q", text)
	}
	if keys.Scheme != "https" && (!strings.HasPrefix(i.options.URL, "http:") || !isProtected(keys)) {
		return fmt.Errorf("jwks_uri must begin with https://: %.200q", text)
	}
	return nil
}

// client returns an HTTP client for one fetch. Fetches are rare, so that reusing
// connections would only keep memory.
func (i *Issuer) client() (*http.Client, error) {
	secured := &tls.Config{MinVersion: tls.VersionTLS12}
	if i.options.RootCAs != nil {
		pool, err := i.options.RootCAs()
		if err != nil {
			return nil, err
		}
		secured.RootCAs = pool
	}
	return &http.Client{
		Timeout: i.options.Timeout,
		Transport: &http.Transport{
			Proxy:                  http.ProxyFromEnvironment,
			TLSClientConfig:        secured,
			DisableKeepAlives:      true,
			MaxResponseHeaderBytes: 64 << 10,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return errors.New("redirects are not followed") },
	}, nil
}

// get returns the document at an address.
func get(ctx context.Context, client *http.Client, address string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", "application/json")
	request.Header.Set("User-Agent", "ocigate")
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("GET %s: status %d", address, response.StatusCode)
	}
	document, err := io.ReadAll(io.LimitReader(response.Body, maxIssuerDocument+1))
	if err != nil {
		return nil, fmt.Errorf("GET %s: %w", address, err)
	}
	if len(document) > maxIssuerDocument {
		return nil, fmt.Errorf("GET %s: the document has more than %d bytes", address, maxIssuerDocument)
	}
	return document, nil
}
