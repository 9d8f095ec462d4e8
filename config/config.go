// Package config loads the configuration of the gateway: one YAML file, with
// environment variables over it. [Load] returns a [Config] that is completely
// validated, or [Problems], which lists every mistake with its line or variable.
// It rejects every key and every variable that it does not recognize.
//
//	c, err := config.Load("/etc/ocigate/ocigate.yaml", os.Environ())
//	if err != nil {
//		return err // one mistake on each line
//	}
//
// Every key is declared once, as a field of a structure here: the field's tags
// give its name, its documentation, its limits and whether a change needs a
// restart, and [Default] gives its default. The loader, the example file
// ([Example]), the reference ([Reference]) and [Diff] are all derived from these
// declarations.
//
// The package builds nothing from a configuration, opens no files except the
// configuration and the secrets that it names, and imports no other package of
// the gateway. The packages that use the values check whether certificates can
// be loaded, addresses can be listened on and error names exist.
package config

import (
	"log/slog"
	"net/netip"
	"strconv"
	"time"
)

// Config is a complete configuration.
type Config struct {
	HTTP     HTTP     `yaml:"http" doc:"Listener of the API."`
	Admin    Admin    `yaml:"admin" doc:"Listener for operators: metrics, livez, readyz, and commands for the running gateway. It asks for no credentials, so keep it private."`
	Log      Log      `yaml:"log" doc:"Log, written to the standard error output."`
	API      API      `yaml:"api" doc:"Choices that the API's specification leaves open."`
	Auth     Auth     `yaml:"auth" doc:"How callers are authenticated."`
	Journal  Journal  `yaml:"journal" restart:"true" doc:"Where writes and their outcomes are recorded. No write is sent before it is recorded."`
	Tracing  Tracing  `yaml:"tracing" doc:"Traces of requests, sent by OTLP over HTTP to a receiver of OpenTelemetry. The standard variables OTEL_… say where to and which; they have no effect while enabled is false."`
	Reload   Reload   `yaml:"reload" doc:"Reading the configuration again without a restart."`
	Platform Platform `yaml:"platform" doc:"Platform behind the gateway, reached by OCI-P."`

	places *places // nil if the configuration was not loaded
}

// HTTP is the listener of the API.
type HTTP struct {
	Listen            string         `yaml:"listen" rule:"required,listen" restart:"true" doc:"Address of the API; an empty host means every interface."`
	TLS               KeyPair        `yaml:"tls" doc:"Certificate of the API. Give both files for HTTPS, or none for plain HTTP."`
	ReadHeaderTimeout time.Duration  `yaml:"read_header_timeout" rule:"100ms..5m" doc:"Longest time for the header of a request to arrive."`
	ReadTimeout       time.Duration  `yaml:"read_timeout" rule:"100ms..10m" doc:"Longest time for a complete request to arrive, not shorter than read_header_timeout."`
	WriteTimeout      time.Duration  `yaml:"write_timeout" rule:"100ms..30m" doc:"Longest time from the end of a request's header to the end of its response."`
	IdleTimeout       time.Duration  `yaml:"idle_timeout" rule:"1s..1h" doc:"How long a connection is kept open between two requests."`
	RequestTimeout    time.Duration  `yaml:"request_timeout" rule:"100ms..10m" doc:"Longest time to work on a request, waiting for a session included. A write that was sent by then gets platform.timeouts.command more; both together must be shorter than write_timeout."`
	Drain             time.Duration  `yaml:"drain" rule:"0s..10m" doc:"How long the gateway goes on serving after a stop signal, with readyz off, before it takes no more connections: longer than the load balancer needs to notice. 0s for not at all."`
	ShutdownTimeout   time.Duration  `yaml:"shutdown_timeout" rule:"100ms..10m" doc:"How long a stop may take after the drain, the requests in flight included; request_timeout and platform.timeouts.command together are the longest that one takes."`
	MaxConnections    int            `yaml:"max_connections" rule:"optional,16..1000000" doc:"Most connections to the API at a time. At the limit, a connection that carries no request is closed for a new one; one whose request is being carried out never is. 0 is as many as the process may have open files, less those that are reserved for the platform, the journal and the listener for operators, and 10000 at most. Another value is reduced if it needs more open files."`
	MaxBodyBytes      int            `yaml:"max_body_bytes" rule:"1024..104857600" doc:"Largest body of a request, in bytes."`
	GzipMinBytes      int            `yaml:"gzip_min_bytes" rule:"1..1073741824" doc:"Smallest response that is compressed for callers that accept it, in bytes."`
	Docs              bool           `yaml:"docs" doc:"Whether the description and the documentation of the API are served, without credentials, under /openapi.json, /openapi.yaml and /docs/."`
	TrustedProxies    []netip.Prefix `yaml:"trusted_proxies" doc:"Networks of the proxies whose X-Forwarded-For header is believed, as CIDRs."`
	TrustAllProxies   bool           `yaml:"trust_all_proxies" doc:"Whether trusted_proxies may cover half of all addresses or more. Then callers can choose the address that is logged, audited and throttled, unless only a proxy can connect to listen."`
	CORS              CORS           `yaml:"cors" doc:"Pages of other origins whose scripts may use the API in a browser."`
	CallerLimit       CallerLimit    `yaml:"caller_limit" doc:"Limit of the requests of each caller, at each replica: a user, or a listed client. Requests beyond it get 429 and are not carried out. Logins have auth.throttle instead."`
}

// KeyPair is a certificate and its private key, as the names of two PEM files.
type KeyPair struct {
	CertFile string `yaml:"cert_file" doc:"Certificate and its intermediates, as a PEM file."`
	KeyFile  string `yaml:"key_file" doc:"Private key of the certificate, as a PEM file."`
}

// Present reports whether a certificate is configured.
func (p KeyPair) Present() bool { return p.CertFile != "" }

// Admin is the listener for operators.
type Admin struct {
	Listen   string        `yaml:"listen" rule:"required,listen" restart:"true" doc:"Address of the listener for operators, different from http.listen."`
	Commands AdminCommands `yaml:"commands" doc:"Which clients of this listener may send commands, such as ocigate reload: those on the same machine, any, or none. Requests of browsers are always refused."`
}

// AdminCommands selects the clients whose commands are accepted.
type AdminCommands string

// The values of admin.commands.
const (
	CommandsLoopback AdminCommands = "loopback"
	CommandsAny      AdminCommands = "any"
	CommandsNone     AdminCommands = "none"
)

func (AdminCommands) choices() []string {
	return names(CommandsLoopback, CommandsAny, CommandsNone)
}

// Reload configures when the configuration is read again.
type Reload struct {
	Watch bool `yaml:"watch" doc:"Whether a change of the configuration's file reloads it, as a SIGHUP does. Certificates and files of secrets are always watched."`
}

// Log holds the level and the format of the log.
type Log struct {
	Level  LogLevel  `yaml:"level" doc:"Least level that is logged."`
	Format LogFormat `yaml:"format" doc:"Format of a line."`
}

// Tracing configures traces of requests. Where they are sent to is in the standard variables
// of OpenTelemetry.
type Tracing struct {
	Enabled      bool `yaml:"enabled" doc:"Whether traces are made and sent. Without OTEL_EXPORTER_OTLP_ENDPOINT they are sent to http://localhost:4318."`
	TrustCallers bool `yaml:"trust_callers" doc:"Whether a request with a traceparent header is a part of that trace, and is sampled as the header says if the sampler depends on the parent. With false it begins a trace of its own with a link to that one: set this if callers that you do not know can send requests."`
}

// LogLevel is the least level that is logged.
type LogLevel string

// The levels of the log.
const (
	LogDebug LogLevel = "debug"
	LogInfo  LogLevel = "info"
	LogWarn  LogLevel = "warn"
	LogError LogLevel = "error"
)

func (LogLevel) choices() []string { return names(LogDebug, LogInfo, LogWarn, LogError) }

// Slog returns the level of package log/slog. It returns Info for a level that
// is none of the constants.
func (l LogLevel) Slog() slog.Level {
	return map[LogLevel]slog.Level{LogDebug: slog.LevelDebug, LogWarn: slog.LevelWarn, LogError: slog.LevelError}[l]
}

// LogFormat is the format of the log's lines.
type LogFormat string

// The formats of the log.
const (
	LogJSON LogFormat = "json"
	LogText LogFormat = "text"
)

func (LogFormat) choices() []string { return names(LogJSON, LogText) }

// API holds choices that the API's specification leaves open.
type API struct {
	AvailableFrom  AvailableFrom   `yaml:"available_from" doc:"Entries that available_numbers/ and available_prefixes/ list. With group: entries that the group has already and no user possesses, which cannot be assigned again. With tenant: entries that no group of the tenant has, which can be assigned."`
	ContextTTL     time.Duration   `yaml:"context_ttl" rule:"0s..10m" doc:"How long the mode and the service of a group or a tenant are cached after the platform reported them, 0s for not at all."`
	MaxEntries     int             `yaml:"max_entries" rule:"1..10000" doc:"Most entries that a write may have in its lists, and most that it may remove without naming them. A write with more is refused with 400 and changes nothing. The journal keeps all entries of each write."`
	WireTrace      bool            `yaml:"wire_trace" doc:"Let System Admins have the documents returned or logged that are exchanged with the platform for a request, by its header Ocigate-Wire. They hold data of the platform that the API does not return, but no secrets. With false the header is refused."`
	PlatformErrors []PlatformError `yaml:"platform_errors" doc:"Errors of the API for platform errors that the gateway does not recognize, each by its number or, if the number is not known, by a text. A number wins over a text, and the first of several matching texts counts."`
}

// AvailableFrom selects the entries of the available lists.
type AvailableFrom string

// The values of available_from: entries of the group that no user possesses, or
// entries of the tenant that no group has.
const (
	AvailableFromGroup  AvailableFrom = "group"
	AvailableFromTenant AvailableFrom = "tenant"
)

func (AvailableFrom) choices() []string { return names(AvailableFromGroup, AvailableFromTenant) }

// PlatformError maps platform errors to an error of the API, by their Number or
// by a Text; the other one is 0 or empty. This package does not check whether
// the API has an error of that name.
type PlatformError struct {
	Number int    `yaml:"number" rule:"optional,1..999999" doc:"Number of the platform's error, each only once. Give this or text."`
	Text   string `yaml:"text" rule:"summary_text" doc:"Part of the platform's message, in any letter case, each only once. Give this if the number is not known: messages are translated, numbers are not."`
	Error  string `yaml:"error" rule:"required,error_name" doc:"Name of the API's error."`
}

// Auth configures how callers are authenticated.
type Auth struct {
	Tokens      Tokens        `yaml:"tokens" doc:"Tokens that a login returns."`
	Cookie      Cookie        `yaml:"cookie" doc:"The sessionid cookie that a login sets. It is always HttpOnly."`
	Verify      Verify        `yaml:"verify" doc:"How the platform verifies a caller's password: by a command, which needs TLS on every endpoint, by a separate login, or, with auto, by the command if every endpoint has TLS."`
	CheckAdmins bool          `yaml:"check_admins" doc:"Whether the platform is asked, at each login of an administrator of the system or of a tenant, if it restricts them: read-only ones may only read, and those for the reset of passwords may not log in. If it cannot be asked, the login fails. With false, they have all rights of their level: only for a platform that does not let the account of platform.user_id read administrators."`
	VerifiedFor time.Duration `yaml:"verified_for" rule:"0s..60s" doc:"How long a listed client's verified credential is cached after its last use, 0s for not at all."`
	Clients     []Client      `yaml:"clients" doc:"Clients that authenticate by HTTP Basic or an API key. They are listed here and are not users of the platform."`
	OIDC        OIDC          `yaml:"oidc" doc:"Tokens of an external OpenID Connect issuer, for single sign-on."`
	Throttle    Throttle      `yaml:"throttle" doc:"Delays after failed attempts, against guessing at an account, and limits of logins. An address (with IPv6, its /64), which many callers may share, has ten times the free attempts, and a network (a /24, or a /48) a hundred times. Each replica counts for itself."`
}

// Tokens configures how long a login lasts and which keys sign it.
type Tokens struct {
	TTL      time.Duration `yaml:"ttl" rule:"1s..24h" doc:"How long a token is valid."`
	Audience string        `yaml:"audience" rule:"required,audience" doc:"Installation that the tokens are for: the same at all replicas of one installation, and another one at each other installation that has the same keys, such as staging. Tokens of another audience are refused, so a change ends all tokens."`
	Keys     []TokenKey    `yaml:"keys" doc:"At most two keys: the first signs, both verify. Without any, each start makes a random key, and tokens end with the process."`
}

// TokenKey is a key that signs tokens.
type TokenKey struct {
	ID     string `yaml:"id" rule:"required,id" doc:"Name of the key in its tokens, each only once."`
	Secret Secret `yaml:"secret" rule:"required,key" doc:"The key itself, shared by all replicas."`
}

// Cookie holds the attributes of the sessionid cookie.
type Cookie struct {
	Secure   bool     `yaml:"secure" doc:"Whether browsers send the cookie over HTTPS only."`
	SameSite SameSite `yaml:"same_site" doc:"Whether browsers send the cookie along from other sites; none needs secure. Changes requested by pages of another origin are refused with every value, as they are with Basic."`
}

// SameSite is the attribute of that name of the cookie.
type SameSite string

// The values of the cookie's SameSite attribute.
const (
	SameSiteStrict SameSite = "strict"
	SameSiteLax    SameSite = "lax"
	SameSiteNone   SameSite = "none"
)

func (SameSite) choices() []string { return names(SameSiteStrict, SameSiteLax, SameSiteNone) }

// Verify is how the platform verifies a caller's password.
type Verify string

// The ways to verify a password. VerifyAuto selects the command if every
// endpoint has TLS, and otherwise a login.
const (
	VerifyAuto    Verify = "auto"
	VerifyCommand Verify = "command"
	VerifyLogin   Verify = "login"
)

func (Verify) choices() []string { return names(VerifyAuto, VerifyCommand, VerifyLogin) }

func defaultThrottle() Throttle {
	return Throttle{
		FreeAttempts: 5, BaseDelay: time.Second, MaxDelay: 5 * time.Minute, Remembered: 10000,
		AccountLogins: LoginLimit{PerSecond: 1, Burst: 60}, AddressLogins: LoginLimit{PerSecond: 20, Burst: 600},
		Concurrent: 8,
	}
}

// Throttle slows down guessing, and limits logins.
type Throttle struct {
	FreeAttempts  int           `yaml:"free_attempts" rule:"1..100" doc:"Failed attempts at one account before the first delay, from all addresses from which it has not logged in within 30 days: half of them, rounded up, are for addresses that have not failed at the account, and the others for those that have. Each address from which the account has logged in has as many of its own. Keep it below the number of failures at which the platform locks an account."`
	BaseDelay     time.Duration `yaml:"base_delay" rule:"100ms..1m" doc:"First delay; every further failure doubles it."`
	MaxDelay      time.Duration `yaml:"max_delay" rule:"100ms..24h" doc:"Longest delay, not shorter than base_delay."`
	Remembered    int           `yaml:"remembered" rule:"100..10000000" doc:"Largest number of accounts, of addresses, and of pairs of them, for which attempts are counted; about 2 KiB each. What is under delay is never forgotten."`
	AccountLogins LoginLimit    `yaml:"account_logins" doc:"Limit of the successful logins of one account."`
	AddressLogins LoginLimit    `yaml:"address_logins" doc:"Limit of the successful logins from one address: portals and address translation let many users share one."`
	Concurrent    int           `yaml:"concurrent" rule:"2..1000" doc:"Logins that the platform verifies at a time. A quarter of them, at least one, is reserved for accounts at addresses from which they have logged in."`
}

// LoginLimit limits successful logins.
type LoginLimit struct {
	PerSecond float64 `yaml:"per_second" rule:"0.01..100000" doc:"Logins per second in the long run."`
	Burst     int     `yaml:"burst" rule:"1..1000000" doc:"Logins at a time, after a pause."`
}

// Journal configures where writes and their outcomes are recorded.
type Journal struct {
	Store        JournalStore  `yaml:"store" doc:"Store of the journal: a folder of this replica alone, or a PostgreSQL database that all replicas share."`
	Folder       string        `yaml:"folder" doc:"Folder of the embedded store, created if it does not exist: its database and the files of the audit trail. Required with store embedded. Keep it on a local disk that outlives the process."`
	PostgresURL  Secret        `yaml:"postgres_url" doc:"Address of the database, as postgres://user:password@host:5432/database?sslmode=verify-full. Special characters in the password are percent-encoded. Without sslmode, a host that is neither localhost, nor a loopback address, nor a Unix socket needs verify-full: TLS, with a certificate for the host that an authority of the system or of sslrootcert has issued. Required with store postgres."`
	Schema       string        `yaml:"postgres_schema" rule:"required,schema_name" doc:"Schema of the tables in the database, the same for all replicas. It is created if it does not exist. Only the role of the gateway, the owner of the database, superusers and postgres_owner may own it or create objects in it."`
	Owner        string        `yaml:"postgres_owner" rule:"token" doc:"Role that may own the schema and the tables, beside the role of the gateway, the owner of the database and superusers: the one that creates them, if the gateway may not."`
	Settle       time.Duration `yaml:"settle" rule:"1s..1h" doc:"How long the platform may take to carry out a write whose session has ended. Only after that, a list that does not show the effect of the write proves that the write was not done."`
	Recheck      time.Duration `yaml:"recheck" rule:"1s..24h" doc:"How long after a write was found not to be done the lists are read once more, to confirm it."`
	Keep         time.Duration `yaml:"keep" rule:"1h..87600h" doc:"How long the outcome of a write can be read."`
	KeepKeys     time.Duration `yaml:"keep_keys" rule:"1m..720h" doc:"How long an Idempotency-Key identifies its request, not longer than keep."`
	UnreadyAfter time.Duration `yaml:"unready_after" rule:"0s..1h" doc:"How long the embedded store may be unusable before readyz goes off, until it is usable again. With store postgres readyz stays on: all replicas share the database and would all become unready at the same time."`
	Audit        Audit         `yaml:"audit" doc:"The audit trail."`
}

// Audit configures the audit trail of the journal.
type Audit struct {
	Anchor       time.Duration `yaml:"anchor" rule:"1m..24h" doc:"How often the number and the hash of the last line are logged, if they have changed. A log that is collected elsewhere then shows if the end of the trail was removed, or all of it was written again."`
	Keep         time.Duration `yaml:"keep" rule:"0s..876000h" doc:"How long lines are kept, not shorter than journal.keep; 0s is forever. The embedded store removes whole files whose last line is older, with a line that says so. With store postgres it must be 0s, because the role of the gateway need not be able to remove lines: use ocigate audit archive."`
	MaxFileBytes int           `yaml:"max_file_bytes" rule:"0..1073741824" doc:"Size of a file of the embedded store, in bytes, after which the next file is begun, such as audit-2026-11.part0002.jsonl. With 0 there is one file for each month."`
}

// JournalStore is the kind of store that keeps the journal.
type JournalStore string

// The stores of the journal.
const (
	StoreEmbedded JournalStore = "embedded"
	StorePostgres JournalStore = "postgres"
)

func (JournalStore) choices() []string { return names(StoreEmbedded, StorePostgres) }

// Platform is the platform behind the gateway.
type Platform struct {
	Endpoints     []Endpoint `yaml:"endpoints" rule:"required" doc:"Endpoints of the platform, in order of preference."`
	AllowMixedTLS bool       `yaml:"allow_mixed_tls" doc:"Whether endpoints without TLS, other than those on a loopback address, may be beside endpoints with it. Whoever blocks the connections with TLS then makes the gateway log in without it."`
	UserID        string     `yaml:"user_id" rule:"token" doc:"Account that logs the sessions in. It cannot log in to the API. Required unless every endpoint has its own."`
	Password      Secret     `yaml:"password" doc:"Password of the account. Required unless every endpoint has its own."`
	Login         Login      `yaml:"login" doc:"How the sessions log in. The plain ones send the password in plain text and need TLS on every endpoint."`
	Release       Release    `yaml:"release" doc:"Release of the platform. With auto each endpoint is asked for its version after the first login; set the number if the platform refuses that command. A version that is a year counts as 25. Commands and fields that a release does not support are sent in an older form, or left out."`
	Encoding      Encoding   `yaml:"encoding" doc:"Character set of requests to the platform."`
	SendEcho      bool       `yaml:"send_echo" doc:"Whether commands carry an echo, which proves that a reply belongs to them."`
	SendTracking  bool       `yaml:"send_tracking_id" doc:"Whether documents carry a tracking id, by which the platform's own log can be searched. Releases before 24 do not support it and get none."`
	MaxReplyBytes int        `yaml:"max_reply_bytes" rule:"65536..1073741824" doc:"Largest document that is read from the platform, in bytes. A reply to a login, a verification of credentials, a request for the version or a probe may have 65536 at most."`
	Timeouts      Timeouts   `yaml:"timeouts" doc:"Longest time for each step with the platform."`
	Backoff       Backoff    `yaml:"backoff" doc:"Pauses after a failed connection or login; every further failure doubles them."`
	Pool          Pool       `yaml:"pool" doc:"Sessions with the platform, over all endpoints."`
}

// Endpoint is one endpoint of the platform.
type Endpoint struct {
	Name     string      `yaml:"name" rule:"required,endpoint_name" doc:"Label of the endpoint in metrics and logs, each only once."`
	Address  string      `yaml:"address" rule:"required,address" doc:"Address as host:port; the port is usually 2209 with TLS, 2208 without."`
	TLS      EndpointTLS `yaml:"tls" doc:"TLS with the endpoint, version 1.2 at least."`
	UserID   string      `yaml:"user_id" rule:"token" doc:"Account at this endpoint, instead of platform.user_id."`
	Password Secret      `yaml:"password" doc:"Password at this endpoint, instead of platform.password."`
}

// EndpointTLS configures TLS with an endpoint.
type EndpointTLS struct {
	Enabled    bool   `yaml:"enabled" doc:"Whether to use TLS; without it, leave the other keys of tls empty."`
	CAFile     string `yaml:"ca_file" doc:"Certificate authorities to trust, as a PEM file, instead of the system's."`
	CertFile   string `yaml:"cert_file" doc:"Client certificate, as a PEM file, together with key_file."`
	KeyFile    string `yaml:"key_file" doc:"Private key of the client certificate, as a PEM file."`
	ServerName string `yaml:"server_name" doc:"Name to expect in the endpoint's certificate, instead of the address's host."`
}

// Login is how sessions log in to the platform.
type Login string

// The ways to log in. LoginAuto selects among those that the transport allows.
const (
	LoginAuto      Login = "auto"
	LoginSigned    Login = "signed"
	LoginPlain22V5 Login = "plain_22v5"
	LoginPlain22V2 Login = "plain_22v2"
)

func (Login) choices() []string { return names(LoginAuto, LoginSigned, LoginPlain22V5, LoginPlain22V2) }

// NeedsTLS reports whether the login sends the password in plain text.
func (l Login) NeedsTLS() bool { return l == LoginPlain22V5 || l == LoginPlain22V2 }

// Release is the release of the platform.
type Release string

// The supported releases. ReleaseAuto detects the release of each endpoint.
const (
	ReleaseAuto Release = "auto"
	Release21   Release = "21"
	Release22   Release = "22"
	Release23   Release = "23"
	Release24   Release = "24"
	Release25   Release = "25"
)

func (Release) choices() []string {
	return names(ReleaseAuto, Release21, Release22, Release23, Release24, Release25)
}

// Number returns the number of the release, and 0 for auto.
func (r Release) Number() int {
	n, err := strconv.Atoi(string(r))
	if err != nil {
		return 0
	}
	return n
}

// Encoding is the character set of requests to the platform.
type Encoding string

// The character sets of requests.
const (
	EncodingLatin1 Encoding = "ISO-8859-1"
	EncodingLatin2 Encoding = "ISO-8859-2"
	EncodingLatin9 Encoding = "ISO-8859-15"
	EncodingUTF8   Encoding = "UTF-8"
)

func (Encoding) choices() []string {
	return names(EncodingLatin1, EncodingLatin2, EncodingLatin9, EncodingUTF8)
}

// Timeouts holds the longest time for each step with the platform.
type Timeouts struct {
	Connect  time.Duration `yaml:"connect" rule:"100ms..2m" doc:"Connecting, TLS included."`
	Login    time.Duration `yaml:"login" rule:"100ms..2m" doc:"Logging in."`
	Command  time.Duration `yaml:"command" rule:"100ms..10m" doc:"Sending a document and reading its reply."`
	Probe    time.Duration `yaml:"probe" rule:"100ms..1m" doc:"Reply of an idle session that may be gone, because another session of the endpoint has timed out or was ended by the platform. Without a reply in time it is closed."`
	DeadPeer time.Duration `yaml:"dead_peer" rule:"0s..2m" doc:"Time without any acknowledgment by the other host, after which the operating system ends the connection; 5s at least, or 0s for what the system does by itself. A platform that is slow still acknowledges."`
}

// Backoff holds the pauses of endpoints (Initial, Max) and of refused accounts
// (Refused, RefusedMax).
type Backoff struct {
	Initial    time.Duration `yaml:"initial" rule:"10ms..1m" doc:"First pause of an endpoint, after an error of the network or the platform."`
	Max        time.Duration `yaml:"max" rule:"10ms..1h" doc:"Longest pause of an endpoint, not shorter than initial."`
	Refused    time.Duration `yaml:"refused" rule:"1s..24h" doc:"First pause of an account, at all endpoints, after the platform has refused its credentials: each refusal may count against the account, which the platform locks after several. It is shortened by up to platform.pool.jitter. A new password in the file that password names is tried within a second."`
	RefusedMax time.Duration `yaml:"refused_max" rule:"1s..24h" doc:"Longest pause of an account, not shorter than refused."`
}

// Pool limits the sessions with the platform.
type Pool struct {
	Min               int           `yaml:"min" rule:"0..1000" doc:"Sessions kept open even if no request needs them."`
	Max               int           `yaml:"max" rule:"1..1000" doc:"Most sessions at a time, not fewer than min. Logins that verify callers' passwords come on top, at most auth.throttle.concurrent at a time, and so does one connection without a login, for probe_unused or to find out whether an endpoint that has failed or is silent answers."`
	MaxWaiting        int           `yaml:"max_waiting" rule:"1..100000" doc:"Requests that may wait for a session. If there are more, those of the callers with the most for their weight are rejected immediately."`
	UserSessions      int           `yaml:"user_max_sessions" rule:"optional,1..1000" doc:"Most sessions that each user of the platform or of an issuer may use at a time, not more than max; 0 if there is no limit besides max. Listed clients have auth.clients[].max_sessions instead."`
	Wait              time.Duration `yaml:"wait" rule:"1ms..10m" doc:"How long a request waits for a session."`
	OutageWait        time.Duration `yaml:"outage_wait" rule:"0s..1m" doc:"How long after the last session has ended requests wait for the next attempt to log in, if it is due within that time, such as while the platform restarts; 0s for never. Later, they are rejected immediately until that attempt is due."`
	IdleTimeout       time.Duration `yaml:"idle_timeout" rule:"1s..24h" doc:"Sessions above min that were idle for so long are closed."`
	MaxAge            time.Duration `yaml:"max_age" rule:"1s..168h" doc:"Age at which a session is replaced."`
	Jitter            float64       `yaml:"jitter" rule:"0..0.5" doc:"Largest fraction taken at random off max_age, probe_unused and each pause of platform.backoff, so that they do not all end at the same time."`
	ProbeInterval     time.Duration `yaml:"probe_interval" rule:"1s..1h" doc:"How long a session may be idle before a probe checks that the platform has not ended it."`
	ProbeUnused       time.Duration `yaml:"probe_unused" rule:"0s..1h" doc:"How often a connection is made, TLS included, to an endpoint that has no session, to learn whether it is up; 0s for never. After a failed login there, the probe logs in as well, unless the credentials were refused."`
	ParallelLogins    int           `yaml:"parallel_logins" rule:"1..100" doc:"Most sessions that are being made at a time. At an endpoint, they are made one at a time until a login there has succeeded within the last second, and again after one has failed or a session has broken."`
	NextEndpointAfter time.Duration `yaml:"next_endpoint_after" rule:"0s..1m" doc:"How long a connection and login at an endpoint may take before the next endpoint is tried as well, if a request needs a session; 0s for never. Twice the time of the last login there, if that is longer."`
	ReturnOver        time.Duration `yaml:"return_over" rule:"0s..24h" doc:"Time within which sessions are replaced one by one when a more preferred endpoint works again; 0s for never: they are replaced when they reach max_age."`
	SlowFactor        float64       `yaml:"slow_factor" rule:"0..1000" doc:"An endpoint loses its preference while its replies take more than so many times as long as those of another one, and longer than slow_after; 0 for never, otherwise at least 2. Compared are replies to the command that asks whether a session is valid."`
	SlowAfter         time.Duration `yaml:"slow_after" rule:"10ms..1m" doc:"Replies that take no longer make no endpoint slow, whatever slow_factor is, and nothing is measured."`
}

// Account returns the user id and the password that log in at an endpoint. Each
// is the endpoint's own if it has one, and otherwise the platform's.
func (p Platform) Account(e Endpoint) (userID string, password Secret) {
	userID, password = p.UserID, p.Password
	if e.UserID != "" {
		userID = e.UserID
	}
	if e.Password.IsSet() {
		password = e.Password
	}
	return userID, password
}

// Default returns the configuration of an empty file. It has no endpoints and no
// account of the platform, because they have no sensible default.
func Default() Config {
	return Config{
		HTTP: HTTP{
			Listen:            "127.0.0.1:8080",
			ReadHeaderTimeout: 5 * time.Second,
			ReadTimeout:       30 * time.Second,
			WriteTimeout:      60 * time.Second,
			IdleTimeout:       2 * time.Minute,
			RequestTimeout:    30 * time.Second,
			Drain:             5 * time.Second,
			ShutdownTimeout:   time.Minute,
			MaxBodyBytes:      1 << 20,
			GzipMinBytes:      1400,
			Docs:              true,
			CORS:              CORS{MaxAge: 10 * time.Minute},
		},
		Admin:   Admin{Listen: "127.0.0.1:9090", Commands: CommandsLoopback},
		Log:     Log{Level: LogInfo, Format: LogJSON},
		Tracing: Tracing{TrustCallers: true},
		API:     API{AvailableFrom: AvailableFromGroup, ContextTTL: 30 * time.Second, MaxEntries: 1000, WireTrace: true},
		Auth: Auth{
			Tokens:      Tokens{TTL: 15 * time.Minute, Audience: "ocigate"},
			Cookie:      Cookie{Secure: true, SameSite: SameSiteStrict},
			Verify:      VerifyAuto,
			CheckAdmins: true,
			VerifiedFor: 10 * time.Second,
			OIDC:        defaultOIDC(),
			Throttle:    defaultThrottle(),
		},
		Journal: Journal{
			Store: StoreEmbedded, Folder: "journal",
			Schema: "ocigate", Settle: 30 * time.Second, Recheck: 5 * time.Minute, UnreadyAfter: 10 * time.Second,
			Keep: 30 * 24 * time.Hour, KeepKeys: 24 * time.Hour,
			Audit: Audit{Anchor: 10 * time.Minute},
		},
		Platform: Platform{
			Login:         LoginAuto,
			Release:       ReleaseAuto,
			Encoding:      EncodingLatin1,
			SendEcho:      true,
			SendTracking:  true,
			MaxReplyBytes: 64 << 20,
			Timeouts:      Timeouts{Connect: 5 * time.Second, Login: 10 * time.Second, Command: 20 * time.Second, Probe: 2 * time.Second, DeadPeer: 5 * time.Second},
			Backoff:       Backoff{Initial: time.Second, Max: 30 * time.Second, Refused: 5 * time.Minute, RefusedMax: time.Hour},
			Pool: Pool{
				Min: 1, Max: 8, MaxWaiting: 256, Wait: 10 * time.Second, OutageWait: 5 * time.Second,
				IdleTimeout: 10 * time.Minute, MaxAge: time.Hour, Jitter: 0.1, ProbeInterval: time.Minute, ProbeUnused: time.Minute,
				ParallelLogins: 8, NextEndpointAfter: time.Second, ReturnOver: time.Minute, SlowFactor: 5, SlowAfter: 500 * time.Millisecond,
			},
		},
	}
}

// DefaultEndpoint returns an endpoint with the default of every key: TLS, and no
// address.
func DefaultEndpoint() Endpoint {
	return Endpoint{TLS: EndpointTLS{Enabled: true}}
}
