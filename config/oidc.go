package config

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
)

// OIDC configures which tokens of an external OpenID Connect issuer are accepted.
type OIDC struct {
	Issuer             string        `yaml:"issuer" rule:"issuer" doc:"The issuer's identifier, exactly as in its discovery document and in the iss claim of its tokens. Empty: no external tokens are accepted, and the other keys of auth.oidc are not used."`
	Audiences          []string      `yaml:"audiences" doc:"Accepted values of the aud claim, at most 16; a token needs one of them. Required with issuer: without it, a token that was issued for another service would be accepted."`
	Algorithms         []string      `yaml:"algorithms" doc:"Accepted signature algorithms, from RS256, RS384, RS512, ES256, ES384, ES512, PS256, PS384, PS512 and EdDSA. Empty: RS256, ES256, PS256 and EdDSA."`
	AccessTokensOnly   bool          `yaml:"access_tokens_only" doc:"Whether a token must have the type at+jwt of RFC 9068 in its header. Without it, the type JWT and tokens without a type are accepted, too, and with them ID tokens for one of the audiences."`
	ClockSkew          time.Duration `yaml:"clock_skew" rule:"0s..5m" doc:"Permitted difference between the issuer's clock and the gateway's."`
	CAFile             string        `yaml:"ca_file" doc:"Certificate authorities that verify the issuer's certificate, as a PEM file, instead of the system's. It is read again for each fetch of the keys."`
	Timeout            time.Duration `yaml:"timeout" rule:"100ms..30s" doc:"Longest time to fetch the issuer's discovery document and keys."`
	Refresh            time.Duration `yaml:"refresh" rule:"1m..24h" doc:"Longest time between two fetches of the keys. A key that the issuer has removed is accepted for that long."`
	UnknownKeyInterval time.Duration `yaml:"unknown_key_interval" rule:"1s..1h" doc:"Shortest time between two fetches of the keys. A token with an unknown key causes a fetch, but no earlier than this after the last one; not longer than refresh."`
	Claims             OIDCClaims    `yaml:"claims" doc:"Claims that give a caller's level and scope. A claim is named by its path: in realm_access.roles, dots separate the names, and a path that begins with / is a JSON pointer, for names with dots."`
}

// OIDCClaims maps the claims of a token to a level and a scope.
type OIDCClaims struct {
	Level    string      `yaml:"level" rule:"claim" doc:"Claim whose values give the level: a text or a list of texts. The claim scope is a text of values separated by blanks."`
	Levels   []OIDCLevel `yaml:"levels" doc:"Levels by the values of the claim, at most 256. Required with issuer. If a token has values of several levels, the lowest counts. Without one, the caller gets 403."`
	TenantID string      `yaml:"tenant_id" rule:"claim" doc:"Claim with the tenant: a text, or a list with one text. Required unless all levels are system."`
	GroupID  string      `yaml:"group_id" rule:"claim" doc:"Claim with the group. Required if one of the levels is group, department or user."`
	UserID   string      `yaml:"user_id" rule:"claim" doc:"Claim with the platform's id of the user. Required if one of the levels is user."`
	Required []OIDCClaim `yaml:"required" doc:"Claims that a token must have, at most 16. Without one of them, the caller gets 403."`
}

// OIDCLevel is the level of a value of a claim.
type OIDCLevel struct {
	Value string        `yaml:"value" rule:"required,token" doc:"Value of the claim, each only once. Letter case counts."`
	Level OIDCLevelName `yaml:"level" rule:"required" doc:"Level of callers with this value."`
}

// OIDCClaim is a claim that a token must have.
type OIDCClaim struct {
	Claim string `yaml:"claim" rule:"required,claim" doc:"Path of the claim."`
	Value string `yaml:"value" rule:"required,token" doc:"Its value, or one of its values."`
}

// OIDCLevelName is the level of a caller with an external token.
type OIDCLevelName string

// The levels of callers with an external token.
const (
	OIDCSystem     OIDCLevelName = "system"
	OIDCTenant     OIDCLevelName = "tenant"
	OIDCGroup      OIDCLevelName = "group"
	OIDCDepartment OIDCLevelName = "department"
	OIDCUser       OIDCLevelName = "user"
)

func (OIDCLevelName) choices() []string {
	return names(OIDCSystem, OIDCTenant, OIDCGroup, OIDCDepartment, OIDCUser)
}

// Enabled reports whether external tokens are accepted.
func (o OIDC) Enabled() bool { return o.Issuer != "" }

func defaultOIDC() OIDC {
	return OIDC{
		ClockSkew: 30 * time.Second, Timeout: 5 * time.Second, Refresh: 15 * time.Minute, UnknownKeyInterval: 10 * time.Second,
		Claims: OIDCClaims{Level: "roles"},
	}
}

var oidcAlgorithms = []string{"RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "PS256", "PS384", "PS512", "EdDSA"}

// validateOIDC checks the keys of auth.oidc that depend on each other, and its lists.
func (l *loader) validateOIDC(o OIDC) {
	const at, issuer = "auth.oidc", "auth.oidc.issuer"
	if !o.Enabled() {
		return
	}
	l.listOf(at+".audiences", o.Audiences, 16, func(text string) string {
		if text == "" || !isToken(text) {
			return "must be a text without control characters, blanks at its ends and blanks in a row"
		}
		return ""
	})
	l.conflict(len(o.Audiences) == 0, "is required, since issuer is given", at+".audiences", issuer)
	l.listOf(at+".algorithms", o.Algorithms, len(oidcAlgorithms), func(text string) string {
		if slices.Contains(oidcAlgorithms, text) {
			return ""
		}
		return fmt.Sprintf("must be one of %s, not %q%s", strings.Join(oidcAlgorithms, ", "), text, DidYouMean(text, oidcAlgorithms))
	})
	l.order(at+".unknown_key_interval", o.UnknownKeyInterval, at+".refresh", o.Refresh)
	l.validateOIDCClaims(at+".claims", o.Claims)
}

func (l *loader) validateOIDCClaims(at string, c OIDCClaims) {
	const issuer = "auth.oidc.issuer"
	l.conflict(len(c.Levels) == 0, "is required, since issuer is given", at+".levels", issuer)
	l.conflict(len(c.Levels) > 256, fmt.Sprintf("must have at most 256 entries, not %d", len(c.Levels)), at+".levels")
	l.conflict(len(c.Required) > 16, fmt.Sprintf("must have at most 16 entries, not %d", len(c.Required)), at+".required")
	l.conflict(c.Level == "", "is required, since issuer is given", at+".level", issuer)
	unique(l, at+".levels", "value", c.Levels, func(v OIDCLevel) string { return v.Value })
	for _, id := range []struct {
		key, value string
		levels     []OIDCLevelName
	}{
		{"tenant_id", c.TenantID, []OIDCLevelName{OIDCTenant, OIDCGroup, OIDCDepartment, OIDCUser}},
		{"group_id", c.GroupID, []OIDCLevelName{OIDCGroup, OIDCDepartment, OIDCUser}},
		{"user_id", c.UserID, []OIDCLevelName{OIDCUser}},
	} {
		i := slices.IndexFunc(c.Levels, func(v OIDCLevel) bool { return slices.Contains(id.levels, v.Level) })
		if i >= 0 && id.value == "" {
			level := join(entry(at+".levels", i), "level")
			l.conflict(true, "is required, since "+level+" is "+string(c.Levels[i].Level), join(at, id.key), level)
		}
	}
}

// listOf checks the entries of a list of texts, each of which may be given only once.
func (l *loader) listOf(path string, list []string, most int, problem func(string) string) {
	l.conflict(len(list) > most, fmt.Sprintf("must have at most %d entries, not %d", most, len(list)), path)
	for i, text := range list {
		if reason := problem(text); reason != "" {
			l.conflict(true, reason, entry(path, i), path)
		} else if first := slices.Index(list, text); first < i {
			l.conflict(true, "must be given only once: "+entry(path, first)+" has the same value", entry(path, i), path)
		}
	}
}

// isIssuer reports whether a text can be the identifier of an issuer.
func isIssuer(text string) bool {
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" || u.User != nil || len(text) > 512 || strings.ContainsAny(text, "?# \t\r\n") {
		return false
	}
	return u.Scheme == "https" || u.Scheme == "http" && isOwnHost(u.Hostname())
}

// isClaim reports whether a text is the path of a claim.
func isClaim(text string) bool {
	if len(text) > 256 || !isToken(text) {
		return false
	}
	if strings.HasPrefix(text, "/") {
		return !strings.Contains(strings.NewReplacer("~0", "", "~1", "").Replace(text), "~")
	}
	return !slices.Contains(strings.Split(text, "."), "")
}
