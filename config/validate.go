package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
)

// validate reports what is wrong with a configuration that could be parsed: first
// key by key, then the keys that contradict each other.
func (l *loader) validate(c *Config) {
	l.validateSection("", reflect.ValueOf(*c))
	l.validateHTTP(c)
	l.validateAPI(c.API)
	l.validateAuth(c.Auth)
	l.validateJournal(c.Journal)
	l.validatePlatform(c.Platform)
	l.validateVerify(c)
	l.validateSessions(c)
}

func (l *loader) validateSection(path string, section reflect.Value) {
	for _, f := range fields(section.Type()) {
		at, value := join(path, f.key), section.Field(f.index)
		if isSection(f.typ) {
			l.validateSection(at, value)
			continue
		}
		l.validateValue(at, f, value)
		if f.typ.Kind() != reflect.Slice || !isSection(f.typ.Elem()) {
			continue
		}
		for i := range value.Len() {
			l.validateSection(entry(at, i), value.Index(i))
		}
	}
}

func (l *loader) validateValue(path string, f field, value reflect.Value) {
	if l.isBad(path) {
		return
	}
	if empty(value) && f.required {
		l.refuse(path, "is required")
		return
	}
	if empty(value) && f.optional {
		return
	}
	for _, r := range f.rules {
		if r.holds(value) {
			continue
		}
		reason := "must be " + r.text
		if f.typ != secretType {
			reason += ", not " + scalar(value) + DidYouMean(plain(value), choicesOf(f.typ))
		}
		l.refuse(path, reason)
		return
	}
}

func (l *loader) validateHTTP(c *Config) {
	h := c.HTTP
	l.pair("http.tls", h.TLS.CertFile, h.TLS.KeyFile)
	l.validateProxies(h)
	l.validateCORS(h.CORS)
	l.validateCallerLimit("http.caller_limit", h.CallerLimit)
	l.order("http.read_header_timeout", h.ReadHeaderTimeout, "http.read_timeout", h.ReadTimeout)
	l.conflict(h.RequestTimeout+c.Platform.Timeouts.Command >= h.WriteTimeout,
		"must, together with platform.timeouts.command, be shorter than http.write_timeout, which is "+duration(h.WriteTimeout)+
			": after request_timeout, a write that was sent still waits for its reply",
		"http.request_timeout", "http.write_timeout", "platform.timeouts.command")
	l.conflict(c.Admin.Listen == h.Listen && !strings.HasSuffix(h.Listen, ":0"), "must be another address than http.listen", "admin.listen", "http.listen")
}

func (l *loader) validateAPI(a API) {
	const list = "api.platform_errors"
	for i, e := range a.PlatformErrors {
		at := entry(list, i)
		number, text := join(at, "number"), join(at, "text")
		l.conflict(e.Number == 0 && e.Text == "", "must have a number or a text", at, number, text)
		l.conflict(e.Number != 0 && e.Text != "", "must be empty, since number is given", text, number)
	}
	unique(l, list, "number", a.PlatformErrors, func(e PlatformError) int { return e.Number })
	unique(l, list, "text", a.PlatformErrors, func(e PlatformError) string { return strings.ToLower(e.Text) })
}

func (l *loader) validateAuth(a Auth) {
	l.conflict(len(a.Tokens.Keys) > 2, fmt.Sprintf("must have at most two entries, not %d", len(a.Tokens.Keys)), "auth.tokens.keys")
	unique(l, "auth.tokens.keys", "id", a.Tokens.Keys, func(k TokenKey) string { return k.ID })
	l.conflict(a.Cookie.SameSite == SameSiteNone && !a.Cookie.Secure,
		"must not be none unless auth.cookie.secure is true: browsers refuse such a cookie", "auth.cookie.same_site", "auth.cookie.secure")
	unique(l, "auth.clients", "id", a.Clients, func(c Client) string { return c.ID })
	for i, c := range a.Clients {
		l.validateScope(entry("auth.clients", i), c)
		l.conflict(c.NextHash.IsSet() && c.NextHash.Reveal() == c.Hash.Reveal(), "must not be the same as hash",
			join(entry("auth.clients", i), "next_hash"), join(entry("auth.clients", i), "hash"))
		l.validateCallerLimit(join(entry("auth.clients", i), "limit"), c.Limit)
	}
	l.validateOIDC(a.OIDC)
	l.order("auth.throttle.base_delay", a.Throttle.BaseDelay, "auth.throttle.max_delay", a.Throttle.MaxDelay)
}

func (l *loader) validateJournal(j Journal) {
	l.conflict(j.Store == StoreEmbedded && j.Folder == "", "is required, since journal.store is embedded", "journal.folder", "journal.store")
	l.conflict(j.Store == StorePostgres && !j.PostgresURL.IsSet(), "is required, since journal.store is postgres", "journal.postgres_url", "journal.store")
	l.conflict(j.Store == StoreEmbedded && j.PostgresURL.IsSet(), "must be postgres, since journal.postgres_url is given", "journal.store", "journal.postgres_url")
	l.order("journal.keep_keys", j.KeepKeys, "journal.keep", j.Keep)
	l.conflict(j.Store == StorePostgres && j.Audit.Keep > 0, "must be 0s, since journal.store is postgres", "journal.audit.keep", "journal.store")
	if j.Audit.Keep > 0 {
		l.order("journal.keep", j.Keep, "journal.audit.keep", j.Audit.Keep)
	}
}

// validateScope checks that a client has exactly the ids that its level needs.
func (l *loader) validateScope(path string, c Client) {
	needs := map[ClientLevel]struct{ tenant, group bool }{
		LevelSystem: {},
		LevelTenant: {tenant: true},
		LevelGroup:  {tenant: true, group: true},
	}[c.Level]
	level := join(path, "level")
	for _, id := range []struct {
		key    string
		value  string
		needed bool
	}{
		{"tenant_id", c.TenantID, needs.tenant},
		{"group_id", c.GroupID, needs.group},
	} {
		at := join(path, id.key)
		l.conflict(id.needed && id.value == "", "is required for a client of level "+string(c.Level), at, level)
		l.conflict(!id.needed && id.value != "", "must be empty for a client of level "+string(c.Level), at, level)
	}
}

// leastDeadPeer is the least time without an acknowledgment after which operating systems
// can end a connection: they count parts of it in whole seconds.
const leastDeadPeer = 5 * time.Second

func (l *loader) validatePlatform(p Platform) {
	l.validateTransport(p)
	unique(l, "platform.endpoints", "name", p.Endpoints, func(e Endpoint) string { return e.Name })
	for i, e := range p.Endpoints {
		l.validateEndpoint(entry("platform.endpoints", i), e, p)
	}
	if i := slices.IndexFunc(p.Endpoints, func(e Endpoint) bool { return e.UserID == "" }); i >= 0 {
		l.account(p.UserID == "", entry("platform.endpoints", i), "user_id")
	}
	if i := slices.IndexFunc(p.Endpoints, func(e Endpoint) bool { return !e.Password.IsSet() }); i >= 0 {
		l.account(!p.Password.IsSet(), entry("platform.endpoints", i), "password")
	}
	l.order("platform.backoff.initial", p.Backoff.Initial, "platform.backoff.max", p.Backoff.Max)
	l.order("platform.backoff.refused", p.Backoff.Refused, "platform.backoff.refused_max", p.Backoff.RefusedMax)
	l.conflict(p.Timeouts.DeadPeer > 0 && p.Timeouts.DeadPeer < leastDeadPeer, "must be 0s, or "+duration(leastDeadPeer)+" or longer, not "+duration(p.Timeouts.DeadPeer), "platform.timeouts.dead_peer")
	number, first := p.Release.Number(), firstReleases[p.Login]
	l.conflict(number > 0 && number < first,
		fmt.Sprintf("needs release %d or later, but platform.release is %d", first, number), "platform.login", "platform.release")
	l.conflict(p.Pool.Min > p.Pool.Max, fmt.Sprintf("must not be more than platform.pool.max, which is %d", p.Pool.Max),
		"platform.pool.min", "platform.pool.max")
	// Half of the factor is where a slow endpoint has its preference back.
	l.conflict(p.Pool.SlowFactor > 0 && p.Pool.SlowFactor < 2, "must be 0 or at least 2", "platform.pool.slow_factor")
}

// firstReleases holds the first release of the platform that supports each login.
// Logins that every release supports are not in it.
var firstReleases = map[Login]int{LoginPlain22V2: 22, LoginPlain22V5: 24}

// account reports a part of the platform's account, its key, if it is missing
// although an endpoint needs it.
func (l *loader) account(missing bool, endpoint, key string) {
	l.conflict(missing, "is required, since "+endpoint+" has no "+key, join("platform", key), join(endpoint, key))
}

// validateVerify requires TLS if callers' passwords are sent in plain text.
func (l *loader) validateVerify(c *Config) {
	for i, e := range c.Platform.Endpoints {
		enabled := join(entry("platform.endpoints", i), "tls.enabled")
		l.conflict(c.Auth.Verify == VerifyCommand && !e.TLS.Enabled,
			"must be true, since auth.verify is command, which sends callers' passwords in plain text", enabled, "auth.verify")
	}
}

func (l *loader) validateEndpoint(path string, e Endpoint, p Platform) {
	tls := join(path, "tls")
	enabled := join(tls, "enabled")
	l.pair(tls, e.TLS.CertFile, e.TLS.KeyFile)
	for _, setting := range []struct{ key, value string }{
		{"ca_file", e.TLS.CAFile}, {"cert_file", e.TLS.CertFile}, {"key_file", e.TLS.KeyFile}, {"server_name", e.TLS.ServerName},
	} {
		l.conflict(!e.TLS.Enabled && setting.value != "", "must be empty, since "+enabled+" is false", join(tls, setting.key), enabled)
	}
	l.conflict(!e.TLS.Enabled && p.Login.NeedsTLS(),
		"must be true, since platform.login is "+string(p.Login)+", which sends the password in plain text", enabled, "platform.login")
}

// pair checks that both files of a certificate are given, or none.
func (l *loader) pair(path, certFile, keyFile string) {
	cert, key := join(path, "cert_file"), join(path, "key_file")
	l.conflict(certFile == "" && keyFile != "", "is required, since key_file is given", cert, key)
	l.conflict(certFile != "" && keyFile == "", "is required, since cert_file is given", key, cert)
}

// order checks that the first of two durations is not longer than the second.
func (l *loader) order(shortPath string, short time.Duration, longPath string, long time.Duration) {
	l.conflict(short > long, "must not be longer than "+longPath+", which is "+duration(long), shortPath, longPath)
}

// unique checks that no two entries of a list have the same value at key. The zero
// value may occur several times.
func unique[E any, K comparable](l *loader, list, key string, entries []E, value func(E) K) {
	first := map[K]int{}
	for i, e := range entries {
		v := value(e)
		earlier, seen := first[v]
		if !seen {
			first[v] = i
			continue
		}
		var nothing K
		at, other := join(entry(list, i), key), join(entry(list, earlier), key)
		l.conflict(v != nothing, "must be given only once: "+other+" has the same value", at, other)
	}
}

// entry returns the path of an entry of a list.
func entry(list string, index int) string { return fmt.Sprintf("%s[%d]", list, index) }

// conflict reports, if wrong is true, a contradiction between the value at path
// and those at others. It reports nothing if one of them was already rejected.
func (l *loader) conflict(wrong bool, reason, path string, others ...string) {
	paths := append([]string{path}, others...)
	if !wrong || slices.ContainsFunc(paths, l.isBad) {
		return
	}
	p := Problem{Path: path, Reason: reason}
	// The line is that of the first value that the operator wrote, because a
	// default has no line.
	for _, at := range paths {
		if l.locate(&p, at) {
			break
		}
	}
	l.report(p)
}

// refuse reports the value at a path and excludes it from further validation.
func (l *loader) refuse(path, reason string) {
	p := Problem{Path: path, Reason: reason}
	for at := path; at != "" && !l.locate(&p, at); {
		at = parent(at)
	}
	l.report(p)
	l.bad[path] = true
}

// report adds a problem to the list.
func (l *loader) report(p Problem) {
	if p.Variable == "" {
		p.File = l.file
	}
	l.problems = append(l.problems, p)
}

// isBad reports whether the value at a path, or a section or list that contains
// it, was rejected.
func (l *loader) isBad(path string) bool {
	for at := path; at != ""; at = parent(at) {
		if l.bad[at] {
			return true
		}
	}
	return l.bad[""]
}

// parent returns the path of the section or list that contains the value at a path.
func parent(path string) string {
	return path[:max(0, strings.LastIndexAny(path, ".["))]
}
