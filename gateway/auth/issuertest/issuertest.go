// Package issuertest runs an OpenID Connect issuer for tests: discovery document, keys
// and signed tokens, over HTTPS on the loopback interface.
//
//	issuer := issuertest.New(t)
//	token := issuer.Token(map[string]any{"aud": "ocigate", "sub": "ada"})
//
// It signs with go-jose, so that it shares no code with the reader of the gateway's
// tokens. Its replies can be replaced to act like a broken issuer, and it counts its
// requests.
package issuertest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// The paths of the issuer's documents.
const (
	DiscoveryPath = "/.well-known/openid-configuration"
	KeysPath      = "/keys"
)

// Key is a key pair of an issuer.
type Key struct {
	ID, Alg string
	Private crypto.Signer
}

// NewKey returns a new key for an algorithm.
func NewKey(t testing.TB, id, alg string) Key {
	t.Helper()
	var private crypto.Signer
	var err error
	switch alg {
	case "ES256":
		private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "ES384":
		private, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case "ES512":
		private, err = ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	case "EdDSA":
		_, private, err = ed25519.GenerateKey(rand.Reader)
	default:
		private, err = rsa.GenerateKey(rand.Reader, 2048)
	}
	if err != nil {
		t.Fatal(err)
	}
	return Key{id, alg, private}
}

// JWK returns the key as issuers publish it.
func (k Key) JWK() jose.JSONWebKey {
	return jose.JSONWebKey{Key: k.Private.Public(), KeyID: k.ID, Algorithm: k.Alg, Use: "sig"}
}

// Issuer is a running issuer. The server is stopped at the end of the test.
type Issuer struct {
	URL    string
	t      testing.TB
	server *httptest.Server

	mu       sync.Mutex // guards the fields below
	keys     []Key      // the last one signs
	handlers map[string]http.HandlerFunc
	down     bool
	requests map[string]int
}

// New starts an issuer with one key, "first", for ES256.
func New(t testing.TB) *Issuer {
	t.Helper()
	i := &Issuer{t: t, requests: map[string]int{}, keys: []Key{NewKey(t, "first", "ES256")}}
	i.handlers = map[string]http.HandlerFunc{DiscoveryPath: i.discovery, KeysPath: i.publish}
	i.server = httptest.NewUnstartedServer(http.HandlerFunc(i.serve))
	i.server.Config.ErrorLog = log.New(io.Discard, "", 0) // of connections that a test cuts
	i.server.StartTLS()
	i.URL = i.server.URL
	t.Cleanup(i.server.Close)
	return i
}

// RootCAs returns the authorities that verify the issuer's certificate.
func (i *Issuer) RootCAs() (*x509.CertPool, error) {
	pool := x509.NewCertPool()
	pool.AddCert(i.server.Certificate())
	return pool, nil
}

// CAFile returns the name of a file with the authorities.
func (i *Issuer) CAFile() string {
	i.t.Helper()
	name := filepath.Join(i.t.TempDir(), "issuer.crt")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: i.server.Certificate().Raw})
	if err := os.WriteFile(name, text, 0o600); err != nil {
		i.t.Fatal(err)
	}
	return name
}

// serve counts a request and replies. An issuer that is down closes the connection.
func (i *Issuer) serve(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	i.requests[r.URL.Path]++
	handler, down := i.handlers[r.URL.Path], i.down
	i.mu.Unlock()
	switch {
	case down:
		panic(http.ErrAbortHandler)
	case handler == nil:
		http.NotFound(w, r)
	default:
		handler(w, r)
	}
}

func (i *Issuer) discovery(w http.ResponseWriter, _ *http.Request) {
	WriteJSON(w, map[string]any{"issuer": i.URL, "jwks_uri": i.URL + KeysPath})
}

func (i *Issuer) publish(w http.ResponseWriter, _ *http.Request) {
	i.mu.Lock()
	keys := slices.Clone(i.keys)
	i.mu.Unlock()
	var set jose.JSONWebKeySet
	for _, key := range keys {
		set.Keys = append(set.Keys, key.JWK())
	}
	WriteJSON(w, set)
}

// WriteJSON writes a value as the body of a reply.
func WriteJSON(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(value) // the client may have left
}

// Handle replaces the reply to requests of a path.
func (i *Issuer) Handle(path string, handler http.HandlerFunc) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.handlers[path] = handler
}

// SetDown makes the issuer close each connection without a reply, or serve again.
func (i *Issuer) SetDown(down bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.down = down
}

// SetKeys replaces the published keys. The last one signs.
func (i *Issuer) SetKeys(keys ...Key) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.keys = keys
}

// Keys returns the published keys.
func (i *Issuer) Keys() []Key {
	i.mu.Lock()
	defer i.mu.Unlock()
	return slices.Clone(i.keys)
}

// Requests returns how many requests of a path the issuer has received.
func (i *Issuer) Requests(path string) int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.requests[path]
}

// Claims returns valid claims with changes. A nil value removes a claim, and a duration
// is a time from now on, in seconds since 1970.
func (i *Issuer) Claims(changes map[string]any) map[string]any {
	now := time.Now()
	claims := map[string]any{
		"iss": i.URL, "aud": "ocigate", "sub": "ada", "iat": time.Duration(0), "exp": time.Minute,
		"roles": []string{"ocigate-tenant"}, "tenant": "ApioSpTest",
	}
	maps.Copy(claims, changes)
	for name, value := range claims {
		if from, ok := value.(time.Duration); ok {
			claims[name] = now.Add(from).Unix()
		}
		if value == nil {
			delete(claims, name)
		}
	}
	return claims
}

// Token returns a token with [Issuer.Claims], signed by the last key.
func (i *Issuer) Token(changes map[string]any) string {
	i.t.Helper()
	keys := i.Keys()
	return i.Sign(keys[len(keys)-1], nil, i.Claims(changes))
}

// Sign returns a token that is signed by a key, with more members in its header. The
// key need not be one of the issuer's.
func (i *Issuer) Sign(key Key, header, claims map[string]any) string {
	i.t.Helper()
	payload, err := json.Marshal(claims)
	if err != nil {
		i.t.Fatal(err)
	}
	return i.SignText(key, header, payload)
}

// SignText is like [Issuer.Sign], with any text as the claims.
func (i *Issuer) SignText(key Key, header map[string]any, payload []byte) string {
	i.t.Helper()
	text, err := sign(key, header, payload)
	if err != nil {
		i.t.Fatal(err)
	}
	return text
}

func sign(key Key, header map[string]any, payload []byte) (string, error) {
	options := &jose.SignerOptions{}
	for name, value := range header {
		options.WithHeader(jose.HeaderKey(name), value)
	}
	signer, err := jose.NewSigner(jose.SigningKey{
		Algorithm: jose.SignatureAlgorithm(key.Alg),
		Key:       jose.JSONWebKey{Key: key.Private, KeyID: key.ID},
	}, options)
	if err != nil {
		return "", fmt.Errorf("sign with %s: %w", key.Alg, err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		return "", err
	}
	return signed.CompactSerialize()
}
