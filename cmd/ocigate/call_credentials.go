package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"ocigate/config"
)

// credentials are those of a request: of a listed client, or a token, or none. The secret
// never comes from the command line.
type credentials struct {
	client  string // id, "" for a token or for no credentials
	isToken bool
	file    string // that has the secret or token, "" for the variable or the terminal
	secret  config.Secret
}

// areGiven reports whether the request has credentials.
func (k credentials) areGiven() bool { return k.isToken || k.client != "" }

// variable returns the environment variable of the secret or token.
func (k credentials) variable() string {
	if k.isToken {
		return variableToken
	}
	return variableSecret
}

// credentials returns the credentials of the flags, or else those of the environment. It
// does not read the secret.
func (e *endpointCall) credentials() (credentials, error) {
	client, token := os.Getenv(variableClient), os.Getenv(variableToken)
	var k credentials
	switch {
	case e.isLogin() && (e.client != "" || e.tokenFile != "" || e.secretFile != ""):
		return k, errors.New("a login has its credentials in the body: give neither --client nor --secret-file nor --token-file")
	case e.isLogin():
		return k, nil
	case e.tokenFile != "":
		k = credentials{isToken: true, file: e.tokenFile}
	case e.client != "":
		k = credentials{client: e.client, file: e.secretFile}
	case e.secretFile != "" && client == "":
		return k, errors.New("--secret-file needs --client or " + variableClient)
	case e.secretFile != "":
		k = credentials{client: client, file: e.secretFile}
	case client != "" && token != "":
		return k, fmt.Errorf("%s and %s must not both be set", variableClient, variableToken)
	case client != "":
		k = credentials{client: client}
	case token != "":
		k = credentials{isToken: true}
	}
	if strings.ContainsFunc(k.client, func(c rune) bool { return c <= ' ' || c > '~' || c == ':' }) {
		return k, errors.New("the id of the client must be visible ASCII characters other than a colon")
	}
	return k, nil
}

// read reads the secret or token, from its file, its variable, or the terminal.
func (k *credentials) read(ctx context.Context, c *cobra.Command) error {
	if !k.areGiven() {
		return nil
	}
	text, place := os.Getenv(k.variable()), k.variable()
	var err error
	switch t, isTerminal := terminalOf(c.InOrStdin()); {
	case k.file != "":
		place = "the file " + k.file
		text, err = secretOfFile(k.file)
	case text != "" || k.isToken:
		err = config.CheckSecret(text)
	case isTerminal:
		place = "the secret"
		if text, err = t.ask(ctx, c.ErrOrStderr(), "Secret of "+k.client+": "); err != nil {
			return err
		}
		err = config.CheckSecret(text)
	default:
		return fmt.Errorf("the secret of %s is missing: set %s, or give --secret-file", k.client, variableSecret)
	}
	if err != nil {
		return fmt.Errorf("%s %w", place, err)
	}
	k.secret = config.NewSecret(text)
	return nil
}

// secretOfFile returns the secret in a file. Its error is a clause that follows the name.
func secretOfFile(name string) (string, error) {
	file, err := os.Open(name) //nolint:gosec // the user names the file
	if err != nil {
		return "", fmt.Errorf("cannot be read: %w", err)
	}
	defer func() { _ = file.Close() }() // it was only read
	raw, err := io.ReadAll(io.LimitReader(file, maxCallSecret+1))
	switch {
	case err != nil:
		return "", fmt.Errorf("cannot be read: %w", err)
	case len(raw) > maxCallSecret:
		return "", fmt.Errorf("is longer than %d bytes", maxCallSecret)
	}
	return config.SecretIn(raw)
}

// maxCallSecret is larger than any secret or token of the API, in bytes.
const maxCallSecret = 64 << 10

// set writes the header field of the credentials.
func (k credentials) set(to http.Header) {
	switch secret := k.secret.Reveal(); {
	case k.isToken:
		to.Set("Authorization", "Bearer "+secret)
	case k.client != "":
		to.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(k.client+":"+secret)))
	}
}
