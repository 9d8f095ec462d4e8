package main

import (
	"net/http"

	"ocigate/config"
	"ocigate/gateway/docs"
)

// docsHandler returns the handler of the documentation and the description of the API,
// nil if they are not to be served. signIn is for the demonstration only.
func docsHandler(c *config.Config, signIn *docs.SignIn) http.Handler {
	if !c.HTTP.Docs {
		return nil
	}
	return docs.New(docs.Options{
		Version: versionText(), MaxBodyBytes: int64(c.HTTP.MaxBodyBytes), MaxEntries: c.API.MaxEntries, SignIn: signIn,
		Lifetimes: docs.Lifetimes{Token: c.Auth.Tokens.TTL, Key: c.Journal.KeepKeys, Operation: c.Journal.Keep},
	})
}

// withSignIn has the documentation show these credentials to readers on this machine.
func withSignIn(signIn *docs.SignIn) func(*parts) {
	return func(p *parts) { p.signIn = signIn }
}
