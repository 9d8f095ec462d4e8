package auth

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"regexp"
	"strings"
)

// credential is the credential of a request.
type credential struct {
	method Method
	id     string // of a listed client
	secret string // its secret, or the token
}

const apiKeyHeader = "X-Api-Key" //nolint:gosec // the header's name, not a key

// clientID is the form of the ids of listed clients. It excludes ":" and ".",
// which end the id in Basic and in an API key.
var clientID = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// readCredential returns the only credential of a request.
func readCredential(r *http.Request) (credential, error) {
	authorization := r.Header.Values("Authorization")
	apiKey := r.Header.Values(apiKeyHeader)
	cookies := r.CookiesNamed(cookieName)
	switch {
	case len(authorization)+len(apiKey) > 1:
		return credential{}, malformed("more than one credential header")
	case len(authorization) == 1:
		return parseAuthorization(authorization[0])
	case len(apiKey) == 1:
		id, secret, _ := strings.Cut(apiKey[0], ".")
		return clientCredential(MethodAPIKey, id, secret)
	case len(cookies) > 1:
		return credential{}, malformed("more than one cookie " + cookieName)
	case len(cookies) == 1:
		return credential{method: MethodCookie, secret: cookies[0].Value}, nil
	}
	return credential{}, ErrNoCredentials
}

func parseAuthorization(value string) (credential, error) {
	scheme, rest, _ := strings.Cut(value, " ")
	rest = strings.TrimLeft(rest, " ")
	switch strings.ToLower(scheme) {
	case "bearer":
		return credential{method: MethodToken, secret: rest}, nil
	case "basic":
		return parseBasic(rest)
	}
	return credential{}, malformed("an Authorization header of another scheme than Bearer and Basic")
}

func parseBasic(encoded string) (credential, error) {
	pair, err := base64.StdEncoding.Strict().DecodeString(encoded)
	if err != nil {
		return credential{}, malformed("Basic without base64")
	}
	id, secret, _ := strings.Cut(string(pair), ":")
	return clientCredential(MethodBasic, id, secret)
}

// clientCredential returns the credential of a client. It rejects an id or a secret
// that no listed client can have.
func clientCredential(method Method, id, secret string) (credential, error) {
	if !clientID.MatchString(id) {
		return credential{}, malformed(string(method) + ": the id is not a client's")
	}
	if problem := secretProblem(secret); problem != "" {
		return credential{}, malformed(string(method) + ": the secret " + problem)
	}
	return credential{method, id, secret}, nil
}

func malformed(reason string) error { return fmt.Errorf("%w: %s", ErrBadCredentials, reason) }
