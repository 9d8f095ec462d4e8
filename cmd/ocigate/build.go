package main

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"time"

	"ocigate/config"
	"ocigate/gateway"
	"ocigate/gateway/auth"
	"ocigate/gateway/operation"
	"ocigate/gateway/operation/bolt"
	"ocigate/gateway/operation/postgres"
	"ocigate/oci"
	"ocigate/translate"
	"ocigate/translate/errcode"
	trunking "ocigate/translate/itc"
)

// parts are what a configuration describes, checked as far as that goes
// without a connection.
type parts struct {
	config       *config.Config
	platform     oci.Options
	errors       translate.PlatformErrors
	certificates *liveCertificates
	serverTLS    *tls.Config         // nil for plain HTTP
	auth         *auth.Authenticator // made by gateway
}

// build turns a configuration into parts. The error tells all that is wrong
// with it.
func build(c *config.Config) (*parts, error) {
	p := &parts{config: c}
	var problems [5]error
	p.certificates, problems[2] = newLiveCertificates(c)
	p.serverTLS = p.certificates.serverTLS()
	p.platform, problems[0] = platformOptions(c.Platform, p.certificates)
	p.errors, problems[1] = platformErrors(c.API)
	p.platform.Temporary = p.errors.Temporary
	_, problems[3] = auth.New(authOptions(c, unasked{}))
	problems[4] = checkJournal(c.Journal)
	return p, placed(c, errors.Join(problems[:]...))
}

// unasked stands for the platform where options are only checked.
type unasked struct{}

// Verify implements auth.Verifier.
func (unasked) Verify(context.Context, string, string) (auth.Identity, error) {
	return auth.Identity{}, errors.New("there is no platform to ask")
}

func platformOptions(c config.Platform, certificates *liveCertificates) (oci.Options, error) {
	encoding, err := oci.EncodingByName(string(c.Encoding))
	o := oci.Options{
		Encoding:       encoding,
		OmitEcho:       !c.SendEcho,
		OmitTrackingID: !c.SendTracking,
		Release:        oci.Release(c.Release.Number()),
		MaxReplyBytes:  c.MaxReplyBytes,
		ConnectTimeout: c.Timeouts.Connect,
		LoginTimeout:   c.Timeouts.Login,
		CommandTimeout: c.Timeouts.Command,
		BackoffInitial: c.Backoff.Initial,
		BackoffMax:     c.Backoff.Max,
		RefusedInitial: c.Backoff.Refused,
		RefusedMax:     c.Backoff.RefusedMax,
		MinSessions:    c.Pool.Min,
		MaxSessions:    c.Pool.Max,
		MaxWaiting:     c.Pool.MaxWaiting,
		MaxWait:        c.Pool.Wait,
		IdleTimeout:    c.Pool.IdleTimeout,
		MaxAge:         c.Pool.MaxAge,
		Jitter:         orNone(c.Pool.Jitter),
		ProbeInterval:  c.Pool.ProbeInterval,

		ProbeUnusedInterval: orNever(c.Pool.ProbeUnused),
	}
	for i, e := range c.Endpoints {
		userID, password := c.Account(e)
		secured, source := certificates.endpointTLS(i)
		o.Endpoints = append(o.Endpoints, oci.Endpoint{
			Name: e.Name, Address: e.Address, TLS: secured, TLSSource: source,
			UserID: userID, Password: oci.Secret(password.Reveal()), PasswordSource: passwordSource(password),
			Login: oci.LoginMethod(c.Login),
		})
	}
	return o, err
}

// passwordSource reads a password again that comes from a file, so that another
// one is used without a restart. Of any other it is nil.
func passwordSource(password config.Secret) func() (oci.Secret, error) {
	if password.File() == "" {
		return nil
	}
	return func() (oci.Secret, error) {
		current, err := password.Current()
		return oci.Secret(current.Reveal()), err
	}
}

// orNone spells "no jitter" as package oci does, for which 0 is the default.
func orNone(jitter float64) float64 {
	if jitter == 0 {
		return -1
	}
	return jitter
}

// platformErrors is the table of what the platform's refusals mean, with the
// operator's own over it.
func platformErrors(c config.API) (translate.PlatformErrors, error) {
	var problems []error
	numbers := map[int]*errcode.Code{}
	var texts []translate.PlatformText
	for i, e := range c.PlatformErrors {
		code, err := meaningOf(e.Error)
		if err != nil {
			problems = append(problems, &valueError{fmt.Sprintf("api.platform_errors[%d].error", i), err})
			continue
		}
		if e.Text != "" {
			texts = append(texts, translate.PlatformText{Text: e.Text, Code: code})
		} else {
			numbers[e.Number] = code
		}
	}
	return translate.NewPlatformErrors(numbers, texts...), errors.Join(problems...)
}

// meaningOf is the error of that name, which a refusal of the platform can mean.
func meaningOf(name string) (*errcode.Code, error) {
	code, ok := errcode.ByName(name)
	switch {
	case !ok:
		return nil, fmt.Errorf("there is no error of the name %s%s", name, config.DidYouMean(name, errorNames()))
	case code == errcode.CallerLeft:
		return nil, fmt.Errorf("no refusal can mean %s: it is for callers who are gone, and are told nothing", name)
	}
	return code, nil
}

// errorNames are the names of all errors that a refusal can mean.
func errorNames() []string {
	var names []string
	for c := range errcode.All() {
		if c != errcode.CallerLeft {
			names = append(names, c.Name)
		}
	}
	return names
}

// levels are those that a configuration can give a listed client.
var levels = map[config.ClientLevel]auth.Level{
	config.LevelSystem: auth.SystemAdmin,
	config.LevelTenant: auth.TenantAdmin,
	config.LevelGroup:  auth.GroupAdmin,
}

var sameSite = map[config.SameSite]http.SameSite{
	config.SameSiteStrict: http.SameSiteStrictMode,
	config.SameSiteLax:    http.SameSiteLaxMode,
	config.SameSiteNone:   http.SameSiteNoneMode,
}

// gateway makes the API's handler.
func (p *parts) gateway(client *oci.Client, services gateway.Services, keeper *operation.Keeper, metrics *gateway.Metrics, logger *slog.Logger) (http.Handler, error) {
	verifier, err := gateway.NewVerifier(gateway.VerifyBy(p.config.Auth.Verify), client, p.errors)
	if err != nil {
		return nil, fmt.Errorf("auth.verify: %w", err)
	}
	if p.auth, err = auth.New(authOptions(p.config, verifier)); err != nil {
		return nil, err
	}
	if p.auth.EphemeralKey() {
		logger.Warn("auth.tokens.keys is empty: tokens end with this process and are not taken by other replicas")
	}
	return gateway.New(gateway.Options{
		Services:       services,
		Writer:         client,
		Operations:     keeper,
		PlatformErrors: p.errors,
		Auth:           p.auth,
		Metrics:        metrics,
		Logger:         logger,
		RequestTimeout: p.config.HTTP.RequestTimeout,
		MaxBodyBytes:   int64(p.config.HTTP.MaxBodyBytes),
		GzipMinBytes:   p.config.HTTP.GzipMinBytes,
		TrustedProxies: p.config.HTTP.TrustedProxies,
	}), nil
}

// services are what the API is made of.
func (p *parts) services(client *oci.Client) (gateway.Services, error) {
	engine := translate.New(translate.Options{
		Reader:         client,
		ContextTTL:     p.config.API.ContextTTL,
		PlatformErrors: p.errors,
		Charset:        p.platform.Encoding,
	})
	services, err := gateway.NewServices(engine, gateway.ServiceOptions{
		ITC: trunking.Options{AvailableFrom: trunking.AvailableFrom(p.config.API.AvailableFrom)},
	})
	if err != nil {
		return gateway.Services{}, fmt.Errorf("api: %w", err)
	}
	return services, nil
}

// journal is the store of operations that the configuration chooses.
func journal(c *config.Config, logger *slog.Logger) (operation.Store, error) {
	if c.Journal.Store != config.StorePostgres {
		return bolt.Open(c.Journal.Folder, bolt.Options{Logger: logger}), nil
	}
	store, err := openPostgres(c.Journal, postgres.Options{Lease: lease(c.HTTP.RequestTimeout + c.Platform.Timeouts.Command)})
	if err != nil {
		return nil, err // and not a nil pointer that looks like a store
	}
	return store, nil
}

// lease is how long a replica is taken to be alive after it was heard of. Half
// of it, which the store demands to be left when an intent is recorded, is at
// least what a write can take from there to the end of its session: whoever
// takes it over counts the settle time from then on.
func lease(write time.Duration) time.Duration { return max(time.Minute, 2*write) }

// openPostgres is the store in the database that the configuration names. It
// connects when it is first used.
func openPostgres(c config.Journal, o postgres.Options) (*postgres.Store, error) {
	store, err := postgres.Open(c.PostgresURL.Reveal(), o)
	if err != nil {
		return nil, &valueError{"journal.postgres_url", err}
	}
	return store, nil
}

// checkJournal tells what is wrong with the address of a database.
func checkJournal(c config.Journal) error {
	if c.Store != config.StorePostgres {
		return nil
	}
	store, err := openPostgres(c, postgres.Options{})
	if err != nil {
		return err
	}
	return store.Close()
}

func keeperOptions(c config.Journal, store operation.Store, look operation.Observe, trace operation.Trace) operation.Options {
	return operation.Options{
		Store: store, Observe: look, Owner: ownerName(),
		Settle: c.Settle, Recheck: c.Recheck, Keep: c.Keep, KeepKeys: c.KeepKeys,
		Trace: trace,
	}
}

// ownerName is another name for each start of each replica.
func ownerName() string {
	host, err := os.Hostname()
	if err != nil {
		host = "ocigate"
	}
	return host + "-" + rand.Text()
}

func authOptions(whole *config.Config, verifier auth.Verifier) auth.Options {
	c := whole.Auth
	o := auth.Options{
		Verifier:       verifier,
		TokenTTL:       c.Tokens.TTL,
		InsecureCookie: !c.Cookie.Secure,
		SameSite:       sameSite[c.Cookie.SameSite],
		RememberFor:    orNever(c.VerifiedFor),
		AccountLimit:   limit(c.Throttle, c.Throttle.FreeAttempts),
		AddressLimit:   limit(c.Throttle, attemptsPerAddress*c.Throttle.FreeAttempts),
	}
	for _, e := range whole.Platform.Endpoints {
		userID, _ := whole.Platform.Account(e)
		o.ReservedUsers = append(o.ReservedUsers, userID)
	}
	for _, k := range c.Tokens.Keys {
		o.Keys = append(o.Keys, auth.Key{ID: k.ID, Secret: auth.Secret(k.Secret.Reveal())})
	}
	for _, client := range c.Clients {
		o.Clients = append(o.Clients, auth.Client{
			ID: client.ID, Hash: auth.Secret(client.Hash.Reveal()), Level: levels[client.Level],
			TenantID: client.TenantID, GroupID: client.GroupID,
		})
	}
	return o
}

// attemptsPerAddress is how many times the free attempts of an account an
// address has, since many callers may share it.
const attemptsPerAddress = 10

func limit(c config.Throttle, free int) auth.Limit {
	return auth.Limit{FreeAttempts: free, BaseDelay: c.BaseDelay, MaxDelay: c.MaxDelay, Records: c.Remembered}
}

// orNever spells "never" as packages auth and oci do, for which 0 is the default.
func orNever(d time.Duration) time.Duration {
	if d == 0 {
		return -1
	}
	return d
}
