package auth

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"ocigate/translate/scope"
)

// ClaimMapping maps the claims of a token to a level and a scope. Claims are named by
// paths; see [ClaimPathProblem].
type ClaimMapping struct {
	// Level is the claim whose values give the level: a text or a list of texts.
	// The claim scope is a text of values separated by blanks (RFC 8693,
	// section 4.2). Default "roles".
	Level string
	// Levels maps values of the claim Level. At least one is required. If values
	// of several levels are present, the lowest level counts. So a value that
	// was given by mistake cannot add rights.
	Levels []LevelValue
	// TenantID, GroupID and UserID are the claims with the caller's scope: a
	// text, or a list with one text. Each is required if one of the Levels needs
	// it. A claim that the level does not need is not read.
	TenantID, GroupID, UserID string
	// Required are claims that a token must have.
	Required []RequiredClaim
}

// LevelValue is the level of a value of a claim.
type LevelValue struct {
	Value string
	Level Level
}

// RequiredClaim is a claim that must have a value: a text that is equal, or a list of
// texts with it.
type RequiredClaim struct{ Claim, Value string }

// ClaimError is returned if a token is valid, but its claims give its caller no rights:
// no level, no scope for the level, or a required claim is missing.
type ClaimError struct {
	// Reason is a sentence without a full stop. It names claims and, if it is not
	// a text that the platform could have, no value.
	Reason string
}

// Error returns the reason.
func (e *ClaimError) Error() string { return e.Reason }

func claimError(format string, args ...any) error {
	return &ClaimError{Reason: fmt.Sprintf(format, args...)}
}

// claimPath is the path of a claim: the names of members, from the outermost. It is nil
// if there is no such claim.
type claimPath []string

// scopePaths are the paths of the claims of a scope.
type scopePaths struct{ tenant, group, user claimPath }

type requiredAt struct {
	RequiredClaim
	path claimPath
}

// ClaimPathProblem returns a clause about what is wrong with the path of a claim, or an
// empty text. A path that begins with "/" is a JSON pointer (RFC 6901); in any other,
// dots separate the names: "realm_access.roles" is "/realm_access/roles".
func ClaimPathProblem(text string) string {
	_, problem := parseClaimPath(text)
	return problem
}

func parseClaimPath(text string) (path claimPath, problem string) {
	if problem := textProblem(text); problem != "" {
		return nil, problem
	}
	if len(text) > 256 {
		return nil, "must not be longer than 256 bytes"
	}
	if !strings.HasPrefix(text, "/") {
		path = strings.Split(text, ".")
		if slices.Contains(path, "") {
			return nil, "must not have an empty name before or after a dot"
		}
		return path, ""
	}
	for name := range strings.SplitSeq(text[1:], "/") {
		if rest := strings.NewReplacer("~0", "", "~1", "").Replace(name); strings.Contains(rest, "~") {
			return nil, "must have ~0 for ~ and ~1 for / in a JSON pointer"
		}
		path = append(path, strings.NewReplacer("~1", "/", "~0", "~").Replace(name))
	}
	return path, ""
}

func (m *ClaimMapping) setDefaults() { setDefault(&m.Level, "roles") }

// check returns an error with every invalid setting.
func (m *ClaimMapping) check() error {
	var errs []error
	refuseIf := func(bad bool, format string, args ...any) {
		if bad {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	refuseIf(len(m.Levels) == 0, "Claims.Levels: is required")
	var needs struct{ tenant, group, user bool }
	seen := map[string]bool{}
	for i, l := range m.Levels {
		known, ok := levels[l.Level]
		refuseIf(!ok, "Claims.Levels[%d].Level: must be a known level, not %d", i, int(l.Level))
		refuseIf(l.Value == "", "Claims.Levels[%d].Value: must not be empty", i)
		refuseIf(seen[l.Value], "Claims.Levels[%d].Value: %q must be given only once", i, l.Value)
		seen[l.Value] = true
		needs.tenant, needs.group, needs.user = needs.tenant || known.tenant, needs.group || known.group, needs.user || known.user
	}
	for _, c := range []struct {
		name, path string
		needed     bool
	}{
		{"Level", m.Level, true},
		{"TenantID", m.TenantID, needs.tenant},
		{"GroupID", m.GroupID, needs.group},
		{"UserID", m.UserID, needs.user},
	} {
		refuseIf(c.needed && c.path == "", "Claims.%s: is required for the levels", c.name)
		if problem := ClaimPathProblem(c.path); c.path != "" && problem != "" {
			refuseIf(true, "Claims.%s: %s", c.name, problem)
		}
	}
	for i, r := range m.Required {
		if problem := ClaimPathProblem(r.Claim); problem != "" {
			refuseIf(true, "Claims.Required[%d].Claim: %s", i, problem)
		}
		refuseIf(r.Value == "", "Claims.Required[%d].Value: must not be empty", i)
	}
	return errors.Join(errs...)
}

// paths returns the paths of a mapping that passed its check.
func (m *ClaimMapping) paths() (level claimPath, scope scopePaths, required []requiredAt) {
	path := func(text string) claimPath {
		if text == "" {
			return nil
		}
		parsed, _ := parseClaimPath(text)
		return parsed
	}
	for _, r := range m.Required {
		required = append(required, requiredAt{r, path(r.Claim)})
	}
	return path(m.Level), scopePaths{path(m.TenantID), path(m.GroupID), path(m.UserID)}, required
}

// in returns the value of a claim, and false if it is missing or null.
func (p claimPath) in(claims map[string]any) (any, bool) {
	var value any = claims
	for _, name := range p {
		object, ok := value.(map[string]any)
		if !ok {
			return nil, false
		}
		value = object[name]
	}
	return value, value != nil && len(p) > 0
}

// texts returns the values of a claim that is a text or a list of texts, and false if
// it is neither.
func texts(value any) ([]string, bool) {
	list, ok := value.([]any)
	if !ok {
		list = []any{value}
	}
	values := make([]string, len(list))
	for i, v := range list {
		text, ok := v.(string)
		if !ok {
			return nil, false
		}
		values[i] = text
	}
	return values, true
}

// principalOf returns the principal of a subject. If the claims give it no rights, the
// error is a [*ClaimError].
//
// The name has the issuer before the subject, so that a user of the issuer cannot have
// the name of a user of the platform or of a listed client. A URL of an issuer has no
// "#", so that two subjects of two issuers have two names.
func (i *Issuer) principalOf(subject string, claims map[string]any) (Principal, error) {
	for _, r := range i.required {
		value, _ := r.path.in(claims)
		if values, ok := texts(value); !ok || !slices.Contains(values, r.Value) {
			return Principal{}, claimError("the token's claim %s does not have the required value", r.Claim)
		}
	}
	level, err := i.levelOf(claims)
	if err != nil {
		return Principal{}, err
	}
	p := Principal{Name: i.options.URL + "#" + subject, Level: level, Method: MethodOIDC}
	needs, m := levels[level], i.options.Claims
	for _, id := range []struct {
		needed      bool
		at          claimPath
		name, param string
		to          *string
	}{
		{needs.tenant, i.scopeAt.tenant, m.TenantID, "tenant_id", &p.TenantID},
		{needs.group, i.scopeAt.group, m.GroupID, "group_id", &p.GroupID},
		{needs.user, i.scopeAt.user, m.UserID, "user_id", &p.UserID},
	} {
		if !id.needed {
			continue
		}
		if *id.to, err = scopeID(claims, id.at, id.name, id.param, level); err != nil {
			return Principal{}, err
		}
	}
	return p, nil
}

// levelOf returns the lowest level of the values in the claims.
func (i *Issuer) levelOf(claims map[string]any) (Level, error) {
	m := i.options.Claims
	value, ok := i.levelAt.in(claims)
	if !ok {
		return 0, claimError("the token has no claim %s, which gives the level", m.Level)
	}
	values, ok := texts(value)
	if !ok {
		return 0, claimError("the token's claim %s must be a text or a list of texts", m.Level)
	}
	if len(values) == 1 && slices.Equal(i.levelAt, claimPath{"scope"}) {
		values = strings.Fields(values[0])
	}
	var lowest *Level
	for n := range m.Levels {
		l := &m.Levels[n].Level
		if slices.Contains(values, m.Levels[n].Value) && (lowest == nil || *l < *lowest) {
			lowest = l
		}
	}
	if lowest == nil {
		return 0, claimError("the token's claim %s has no value that gives a level", m.Level)
	}
	return *lowest, nil
}

// scopeID returns the id of a scope, which must satisfy the rules of an id in a path.
func scopeID(claims map[string]any, at claimPath, name, param string, level Level) (string, error) {
	value, ok := at.in(claims)
	if !ok {
		return "", claimError("the token has no claim %s, which the level %s needs", name, level)
	}
	values, ok := texts(value)
	if !ok || len(values) != 1 {
		return "", claimError("the token's claim %s must be one text", name)
	}
	parameter, ok := scope.ParameterByName(param)
	if !ok {
		return "", fmt.Errorf("there is no parameter %s", param)
	}
	if isReplaced(values[0]) {
		return "", claimError("the token's claim %s must be valid UTF-8", name)
	}
	if problems := parameter.Problems(values[0], nil); len(problems) > 0 {
		return "", claimError("the token's claim %s %s", name, problems[0].Reason)
	}
	return values[0], nil
}
