package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"time"

	"ocigate/config"
	"ocigate/gateway"
	"ocigate/gateway/auth"
	"ocigate/gateway/docs"
	"ocigate/gateway/operation"
	"ocigate/gateway/operation/bolt"
	"ocigate/gateway/operation/postgres"
	"ocigate/gateway/tracing"
	"ocigate/oci"
	"ocigate/translate"
	"ocigate/translate/errcode"
	trunking "ocigate/translate/itc"
)

// parts holds the values that are built from a configuration. They were checked as far
// as that is possible without a connection.
type parts struct {
	config       *config.Config
	platform     oci.Options
	errors       translate.PlatformErrors
	certificates *certificates
	tracing      tracing.Settings
	signIn       *docs.SignIn // nil except in the demonstration
}

// build returns the parts of a configuration. Its error lists all problems of the
// configuration, each with its place.
func build(c *config.Config) (*parts, error) {
	p := &parts{config: c}
	var problems [7]error
	p.certificates, problems[2] = readCertificates(c)
	p.platform, problems[0] = platformOptions(c.Platform, p.certificates)
	p.errors, problems[1] = platformErrors(c.API)
	p.platform.Temporary = p.errors.Temporary
	_, problems[3] = auth.New(authOptions(c, noPlatform{}))
	problems[4] = checkJournal(c.Journal)
	problems[5] = checkIssuer(c.Auth.OIDC)
	p.tracing, problems[6] = tracingSettings(c.Tracing)
	return p, placed(c, errors.Join(problems[:]...))
}

// noPlatform is the verifier of options that are only checked.
type noPlatform struct{}

// Verify implements auth.Verifier.
func (noPlatform) Verify(context.Context, string, string) (auth.Identity, error) {
	return auth.Identity{}, errors.New("there is no platform to ask")
}

func platformOptions(c config.Platform, certificates *certificates) (oci.Options, error) {
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
		ProbeTimeout:   c.Timeouts.Probe,
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

		DeadPeerTimeout:     orNever(c.Timeouts.DeadPeer),
		OutageWait:          orNever(c.Pool.OutageWait),
		ProbeUnusedInterval: orNever(c.Pool.ProbeUnused),

		ParallelLogins:    c.Pool.ParallelLogins,
		NextEndpointAfter: orNever(c.Pool.NextEndpointAfter),
		ReturnOver:        orNever(c.Pool.ReturnOver),
		SlowFactor:        orNone(c.Pool.SlowFactor),
		SlowAfter:         c.Pool.SlowAfter,
	}
	for i, e := range c.Endpoints {
		userID, password := c.Account(e)
		o.Endpoints = append(o.Endpoints, oci.Endpoint{
			Name: e.Name, Address: e.Address, TLS: certificates.endpoints[i],
			UserID: userID, Password: oci.Secret(password.Reveal()), PasswordSource: passwordSource(password),
			Login: oci.LoginMethod(c.Login),
		})
	}
	return o, err
}

// passwordSource returns a function that reads a password from its file again, so that
// a new password is used without a restart. It is nil if the password is not from a
// file.
func passwordSource(password config.Secret) func() (oci.Secret, error) {
	if password.File() == "" {
		return nil
	}
	return func() (oci.Secret, error) {
		current, err := password.Current()
		return oci.Secret(current.Reveal()), err
	}
}

// orNone returns -1 for 0, because 0 means the default in package oci.
func orNone(value float64) float64 {
	if value == 0 {
		return -1
	}
	return value
}

// platformErrors returns the table that maps platform errors to errors of the API, with
// the operator's entries over the built-in ones.
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

// meaningOf returns the error of the API of that name, if platform errors can be mapped
// to it.
func meaningOf(name string) (*errcode.Code, error) {
	code, ok := errcode.ByName(name)
	switch {
	case !ok:
		return nil, fmt.Errorf("there is no error of the name %s%s", name, config.DidYouMean(name, errorNames()))
	case code == errcode.CallerLeft:
		return nil, fmt.Errorf("platform errors cannot be mapped to %s: it is only for requests whose caller has disconnected", name)
	}
	return code, nil
}

// errorNames returns the names of all errors that platform errors can be mapped to.
func errorNames() []string {
	var names []string
	for c := range errcode.All() {
		if c != errcode.CallerLeft {
			names = append(names, c.Name)
		}
	}
	return names
}

// levels maps the levels of listed clients.
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

// services returns the services of the API.
func (p *parts) services(client *oci.Client) (gateway.Services, error) {
	engine := translate.New(translate.Options{
		Reader:         client,
		ContextTTL:     p.config.API.ContextTTL,
		PlatformErrors: p.errors,
		Charset:        p.platform.Encoding,
		MaxEntries:     p.config.API.MaxEntries,
	})
	services, err := gateway.NewServices(engine, gateway.ServiceOptions{
		ITC: trunking.Options{AvailableFrom: trunking.AvailableFrom(p.config.API.AvailableFrom)},
	})
	if err != nil {
		return gateway.Services{}, fmt.Errorf("api: %w", err)
	}
	return services, nil
}

// journal returns the store of operations that the configuration selects.
func journal(c *config.Config, logger *slog.Logger) (operation.Store, error) {
	if c.Journal.Store != config.StorePostgres {
		return bolt.Open(c.Journal.Folder, bolt.Options{
			Logger: logger, KeepTrail: c.Journal.Audit.Keep, MostTrail: int64(c.Journal.Audit.MaxFileBytes),
		}), nil
	}
	store, err := openPostgres(c.Journal, postgres.Options{Lease: timeoutsOfWrites(c).lease(), LockChanged: lockLog(logger)})
	if err != nil {
		return nil, err // not store, which is a nil pointer in a non-nil interface
	}
	return store, nil
}

// writeTimeouts are the timeouts that limit a write: of its request until it is sent, and
// of its command after that.
type writeTimeouts struct{ request, command time.Duration }

func timeoutsOfWrites(c *config.Config) writeTimeouts {
	return writeTimeouts{request: c.HTTP.RequestTimeout, command: c.Platform.Timeouts.Command}
}

// with returns the longer ones of these timeouts and others.
func (t writeTimeouts) with(others writeTimeouts) writeTimeouts {
	return writeTimeouts{request: max(t.request, others.request), command: max(t.command, others.command)}
}

// lease returns how long a replica counts as alive after it has renewed its lease. When an
// intent is recorded, the store requires that half of the lease is left. That half is at
// least the longest time from there to the end of a write's session, because a replica
// that takes the operation over counts the settle time from that moment.
func (t writeTimeouts) lease() time.Duration {
	return max(time.Minute, 2*(t.request+t.command))
}

// openPostgres returns the store in the database of the configuration. It connects when
// it is first used.
func openPostgres(c config.Journal, o postgres.Options) (*postgres.Store, error) {
	o.Schema, o.Owner = c.Schema, c.Owner
	store, err := postgres.Open(c.PostgresURL.Reveal(), o)
	if err != nil {
		return nil, &valueError{"journal.postgres_url", err}
	}
	return store, nil
}

// checkJournal returns an error if the address of a database is not valid.
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

func keeperOptions(c config.Journal, store operation.Store, observe operation.Observe, trace operation.Trace) operation.Options {
	return operation.Options{
		Store: store, Observe: observe, Owner: ownerName(), Shared: c.Store == config.StorePostgres,
		Settle: c.Settle, Recheck: c.Recheck, Keep: c.Keep, KeepKeys: c.KeepKeys, Anchor: c.Audit.Anchor,
		Trace: trace,
	}
}

// ownerName returns a unique name for each start of each replica.
func ownerName() string {
	host, err := os.Hostname()
	if err != nil {
		host = "ocigate"
	}
	return host + "-" + rand.Text()
}

func authOptions(all *config.Config, verifier auth.Verifier) auth.Options {
	c := all.Auth
	// The name of an encoding that does not exist is an error of platformOptions.
	charset, _ := oci.EncodingByName(string(all.Platform.Encoding))
	o := auth.Options{
		Verifier:         verifier,
		Charset:          charset,
		TokenTTL:         c.Tokens.TTL,
		Audience:         c.Tokens.Audience,
		InsecureCookie:   !c.Cookie.Secure,
		SameSite:         sameSite[c.Cookie.SameSite],
		RememberFor:      orNever(c.VerifiedFor),
		AccountLimit:     limit(c.Throttle, c.Throttle.FreeAttempts),
		AddressLimit:     limit(c.Throttle, attemptsPerAddress*c.Throttle.FreeAttempts),
		AccountLogins:    loginLimit(c.Throttle.AccountLogins),
		AddressLogins:    loginLimit(c.Throttle.AddressLogins),
		LoginConcurrency: c.Throttle.Concurrent,
		TrustedOrigins:   corsOptions(all.HTTP.CORS).Origins,
		TrustCookies:     all.HTTP.CORS.Credentials,
	}
	for _, e := range all.Platform.Endpoints {
		userID, _ := all.Platform.Account(e)
		o.ReservedUsers = append(o.ReservedUsers, userID)
	}
	for _, k := range c.Tokens.Keys {
		o.Keys = append(o.Keys, auth.Key{ID: k.ID, Secret: auth.Secret(k.Secret.Reveal())})
	}
	for _, client := range c.Clients {
		o.Clients = append(o.Clients, auth.Client{
			ID: client.ID, Hash: auth.Secret(client.Hash.Reveal()), NextHash: auth.Secret(client.NextHash.Reveal()), Level: levels[client.Level],
			TenantID: client.TenantID, GroupID: client.GroupID,
		})
	}
	return o
}

// attemptsPerAddress is the factor between the free attempts of an address and those of
// an account, because many callers may share an address.
const attemptsPerAddress = 10

func limit(c config.Throttle, free int) auth.Limit {
	return auth.Limit{FreeAttempts: free, BaseDelay: c.BaseDelay, MaxDelay: c.MaxDelay, Records: c.Remembered}
}

func loginLimit(c config.LoginLimit) auth.LoginLimit {
	return auth.LoginLimit{Burst: c.Burst, PerSecond: c.PerSecond}
}

// orNever returns -1 for a duration of 0, because 0 means the default in packages auth
// and oci.
func orNever(d time.Duration) time.Duration {
	if d == 0 {
		return -1
	}
	return d
}
