package auth_test

import (
	"errors"
	"maps"
	"strings"
	"testing"

	"ocigate/gateway/auth"
	"ocigate/gateway/auth/issuertest"
)

// These tests specify which level and scope the claims of a valid token give. To add a
// case, add an entry to TestClaims.

// mapping maps a role to each level.
func mapping() auth.ClaimMapping {
	return auth.ClaimMapping{
		Level: "realm_access.roles",
		Levels: []auth.LevelValue{
			{Value: "system", Level: auth.SystemAdmin}, {Value: "tenant", Level: auth.TenantAdmin}, {Value: "group", Level: auth.GroupAdmin},
			{Value: "department", Level: auth.DepartmentAdmin}, {Value: "user", Level: auth.EndUser},
			{Value: "reseller", Level: auth.TenantAdmin},
		},
		TenantID: "ocigate.tenant", GroupID: "/https:~1~1example.com~1group", UserID: "user~id",
	}
}

// allClaims are claims with the scope of every level.
func allClaims(roles any, changes values) values {
	claims := values{
		"roles": nil, "tenant": nil,
		"realm_access": values{"roles": roles},
		"ocigate":      values{"tenant": "ApioSpTest"}, "https://example.com/group": "ApioGrpTest", "user~id": "ada@example.com",
	}
	maps.Copy(claims, changes)
	return claims
}

func TestClaims(t *testing.T) {
	t.Parallel()
	from := issuertest.New(t)
	o := issuerOptions(from)
	o.Claims = mapping()
	a := newExternalAuth(t, o)
	for name, c := range map[string]struct {
		roles   any
		changes values
		want    auth.Principal // without name and method
		refused string         // reason of a ClaimError
	}{
		"system":              {"system", nil, auth.Principal{Level: auth.SystemAdmin}, ""},
		"tenant":              {[]string{"tenant"}, nil, auth.Principal{Level: auth.TenantAdmin, TenantID: "ApioSpTest"}, ""},
		"group":               {[]string{"x", "group"}, nil, auth.Principal{Level: auth.GroupAdmin, TenantID: "ApioSpTest", GroupID: "ApioGrpTest"}, ""},
		"department":          {[]string{"department"}, nil, auth.Principal{Level: auth.DepartmentAdmin, TenantID: "ApioSpTest", GroupID: "ApioGrpTest"}, ""},
		"user":                {[]string{"user"}, nil, auth.Principal{TenantID: "ApioSpTest", GroupID: "ApioGrpTest", UserID: "ada@example.com"}, ""},
		"the lowest":          {[]string{"system", "group", "tenant"}, nil, auth.Principal{Level: auth.GroupAdmin, TenantID: "ApioSpTest", GroupID: "ApioGrpTest"}, ""},
		"two of one level":    {[]string{"reseller", "tenant"}, nil, auth.Principal{Level: auth.TenantAdmin, TenantID: "ApioSpTest"}, ""},
		"a list of one":       {"tenant", values{"ocigate": values{"tenant": []string{"A"}}}, auth.Principal{Level: auth.TenantAdmin, TenantID: "A"}, ""},
		"no scope for system": {"system", values{"ocigate": 7}, auth.Principal{Level: auth.SystemAdmin}, ""},

		"no level":               {[]string{"x"}, nil, auth.Principal{}, "has no value that gives a level"},
		"an empty list":          {[]string{}, nil, auth.Principal{}, "has no value that gives a level"},
		"another case":           {"System", nil, auth.Principal{}, "has no value that gives a level"},
		"several in a text":      {"system tenant", nil, auth.Principal{}, "has no value that gives a level"},
		"no claim":               {nil, nil, auth.Principal{}, "the token has no claim realm_access.roles, which gives the level"},
		"a list for an object":   {nil, values{"realm_access": []string{"system"}}, auth.Principal{}, "has no claim realm_access.roles"},
		"the name with a dot":    {nil, values{"realm_access.roles": "system"}, auth.Principal{}, "has no claim realm_access.roles"},
		"a number":               {16, nil, auth.Principal{}, "must be a text or a list of texts"},
		"a list with a number":   {[]any{"system", 1}, nil, auth.Principal{}, "must be a text or a list of texts"},
		"a list in a list":       {[]any{[]string{"system"}}, nil, auth.Principal{}, "must be a text or a list of texts"},
		"no tenant":              {"tenant", values{"ocigate": nil}, auth.Principal{}, "the token has no claim ocigate.tenant, which the level Tenant Admin needs"},
		"null as tenant":         {"tenant", values{"ocigate": values{"tenant": nil}}, auth.Principal{}, "has no claim ocigate.tenant"},
		"two tenants":            {"tenant", values{"ocigate": values{"tenant": []string{"A", "B"}}}, auth.Principal{}, "must be one text"},
		"no tenant in a list":    {"tenant", values{"ocigate": values{"tenant": []string{}}}, auth.Principal{}, "must be one text"},
		"a number as tenant":     {"tenant", values{"ocigate": values{"tenant": 32}}, auth.Principal{}, "must be one text"},
		"an empty tenant":        {"tenant", values{"ocigate": values{"tenant": ""}}, auth.Principal{}, "ocigate.tenant must not be empty"},
		"a long tenant":          {"tenant", values{"ocigate": values{"tenant": strings.Repeat("a", 31)}}, auth.Principal{}, "must not be longer than 30 characters"},
		"a tenant with a blank":  {"tenant", values{"ocigate": values{"tenant": " A"}}, auth.Principal{}, "must not begin or end with a blank"},
		"a control character":    {"tenant", values{"ocigate": values{"tenant": "A\x00"}}, auth.Principal{}, "control"},
		"half a character":       {"tenant", values{"ocigate": values{"tenant": "A\uFFFD"}}, auth.Principal{}, "UTF-8"},
		"no group":               {"group", values{"https://example.com/group": nil}, auth.Principal{}, "/https:~1~1example.com~1group, which the level Group Admin needs"},
		"no user":                {"user", values{"user~id": nil}, auth.Principal{}, "user~id, which the level End User needs"},
		"no tenant for the user": {"user", values{"ocigate": nil}, auth.Principal{}, "ocigate.tenant, which the level End User needs"},
	} {
		p, err := a.authenticate(from.Token(allClaims(c.roles, c.changes)))
		refused, ok := errors.AsType[*auth.ClaimError](err)
		if c.refused != "" {
			if !ok || !strings.Contains(refused.Reason, c.refused) || errors.Is(err, auth.ErrBadCredentials) || p != (auth.Principal{}) {
				t.Errorf("%s: principal %+v, error %v, want %q", name, p, err, c.refused)
			}
			continue
		}
		c.want.Name, c.want.Method = from.URL+"#ada", auth.MethodOIDC
		if err != nil || p != c.want {
			t.Errorf("%s: principal %+v, error %v, want %+v", name, p, err, c.want)
		}
	}
}

func TestClaimScopeIsAListInAText(t *testing.T) {
	t.Parallel()
	from := issuertest.New(t)
	o := issuerOptions(from)
	o.Claims.Level = "scope"
	a := newExternalAuth(t, o)
	a.accept(from.Token(values{"scope": "openid ocigate-tenant"}))
	_, err := a.authenticate(from.Token(values{"scope": "openid,ocigate-tenant"}))
	if _, ok := errors.AsType[*auth.ClaimError](err); !ok {
		t.Errorf("error %v, want a ClaimError", err)
	}
}

func TestRequiredClaims(t *testing.T) {
	t.Parallel()
	from := issuertest.New(t)
	o := issuerOptions(from)
	o.Claims.Required = []auth.RequiredClaim{{Claim: "azp", Value: "portal"}, {Claim: "groups", Value: "/staff"}}
	a := newExternalAuth(t, o)
	a.accept(from.Token(values{"azp": "portal", "groups": []string{"/x", "/staff"}}))
	for _, claims := range []values{{"azp": "portal"}, {"azp": "other", "groups": "/staff"}, {"azp": nil, "groups": "/staff"}, {"azp": 7, "groups": "/staff"}} {
		_, err := a.authenticate(from.Token(claims))
		if refused, ok := errors.AsType[*auth.ClaimError](err); !ok || !strings.Contains(refused.Reason, "required value") {
			t.Errorf("%v: error %v, want a ClaimError", claims, err)
		}
	}
}

func TestClaimErrorsAreCached(t *testing.T) {
	t.Parallel()
	from := issuertest.New(t)
	a := newExternalAuth(t, issuerOptions(from))
	token := from.Token(values{"roles": "none"})
	for range 2 {
		_, err := a.authenticate(token)
		if _, ok := errors.AsType[*auth.ClaimError](err); !ok {
			t.Errorf("error %v, want a ClaimError", err)
		}
	}
}

func TestIssuerOptionsAreChecked(t *testing.T) {
	t.Parallel()
	good := func() auth.IssuerOptions {
		return auth.IssuerOptions{URL: "https://sso.example.com", Audiences: []string{"ocigate"}, Claims: mapping()}
	}
	if _, err := auth.NewIssuer(good()); err != nil {
		t.Errorf("good options: %v", err)
	}
	for want, change := range map[string]func(*auth.IssuerOptions){
		"URL: must begin with https://":                     func(o *auth.IssuerOptions) { o.URL = "http://sso.example.com" },
		"Audiences: is required":                            func(o *auth.IssuerOptions) { o.Audiences = nil },
		"Audiences: must not have an empty entry":           func(o *auth.IssuerOptions) { o.Audiences = []string{""} },
		"Algorithms[0]: must be one of":                     func(o *auth.IssuerOptions) { o.Algorithms = []string{"HS256"} },
		`not "none"`:                                        func(o *auth.IssuerOptions) { o.Algorithms = []string{"none"} },
		"Skew: must be from 0s to 5m0s":                     func(o *auth.IssuerOptions) { o.Skew = -1 },
		"Timeout: must be":                                  func(o *auth.IssuerOptions) { o.Timeout = 1 },
		"Refresh: must be":                                  func(o *auth.IssuerOptions) { o.Refresh = 1 },
		"UnknownKeyInterval: must be":                       func(o *auth.IssuerOptions) { o.UnknownKeyInterval = 1 },
		"Claims.Levels: is required":                        func(o *auth.IssuerOptions) { o.Claims.Levels = nil },
		"Claims.Levels[0].Level: must be a known level":     func(o *auth.IssuerOptions) { o.Claims.Levels[0].Level = 7 },
		"Claims.Levels[0].Value: must not be empty":         func(o *auth.IssuerOptions) { o.Claims.Levels[0].Value = "" },
		`Claims.Levels[1].Value: "system" must be given`:    func(o *auth.IssuerOptions) { o.Claims.Levels[1].Value = "system" },
		"Claims.TenantID: is required for the levels":       func(o *auth.IssuerOptions) { o.Claims.TenantID = "" },
		"Claims.GroupID: is required for the levels":        func(o *auth.IssuerOptions) { o.Claims.GroupID = "" },
		"Claims.UserID: is required for the levels":         func(o *auth.IssuerOptions) { o.Claims.UserID = "" },
		"Claims.Level: must not have an empty name":         func(o *auth.IssuerOptions) { o.Claims.Level = "a..b" },
		"Claims.UserID: must have ~0 for ~":                 func(o *auth.IssuerOptions) { o.Claims.UserID = "/a~2" },
		"Claims.Required[0].Claim: must not be empty":       func(o *auth.IssuerOptions) { o.Claims.Required = []auth.RequiredClaim{{Value: "x"}} },
		"auth: issuer: Claims.Required[0].Value: must not ": func(o *auth.IssuerOptions) { o.Claims.Required = []auth.RequiredClaim{{Claim: "x"}} },
	} {
		o := good()
		change(&o)
		if _, err := auth.NewIssuer(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}
