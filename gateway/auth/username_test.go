package auth_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/text/encoding/charmap"

	"ocigate/gateway/auth"
)

// latin1 is a platform's character set.
type latin1 struct{}

func (latin1) CanEncode(s string) bool {
	for _, r := range s {
		if _, ok := charmap.ISO8859_1.EncodeRune(r); !ok {
			return false
		}
	}
	return true
}

func TestUserNamesThatAreNotInTheFormOfThePlatformAreRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, username string
		utf8           bool   // the platform holds all of Unicode
		reason         string // "" if the name is accepted
	}{
		{"accepts Latin letters", "Zoë.Müller@example.com", false, ""},
		{"accepts other letters if the platform can hold them", "søren.łódź.Жуков@example.com", true, ""},
		{"accepts punctuation", "a-b_c.d!~*'()+&=$,;?/ e@example.com", false, ""},
		{"refuses a character outside the set", "łódź", false, "must not contain characters outside the platform's character set"},
		{"refuses the long s", "ſissi", true, "must be in the Unicode normal form NFKC"},
		{"refuses the long s of a smaller set", "ſissi", false, "must be in the Unicode normal form NFKC"},
		{"refuses the Kelvin sign", "\u212Aarl", true, "must be in the Unicode normal form NFKC"},
		{"refuses full-width letters", "ｓissi", true, "must be in the Unicode normal form NFKC"},
		{"refuses a full-width at sign", "sissi＠example.com", true, "must be in the Unicode normal form NFKC"},
		{"refuses a letter with a separate accent", "Zoe\u0308", true, "must be in the Unicode normal form NFKC"},
		{"refuses a superscript", "mª", false, "must be in the Unicode normal form NFKC"},
		{"refuses a byte order mark", "\uFEFFsissi", true, "must not contain invisible or unassigned characters"},
		{"refuses a zero-width space", "\u200Bsissi", true, "must not contain invisible or unassigned characters"},
		{"refuses a zero-width joiner", "sis\u200Dsi", true, "must not contain invisible or unassigned characters"},
		{"refuses a mark of the direction", "\u202Eissis", true, "must not contain invisible or unassigned characters"},
		{"refuses a soft hyphen", "sis\u00ADsi", false, "must not contain invisible or unassigned characters"},
		{"refuses a combining joiner", "sis\u034Fsi", true, "must not contain invisible or unassigned characters"},
		{"refuses a filler", "sissi\u115F", true, "must not contain invisible or unassigned characters"},
		{"refuses a selector of a variation", "sissi\uFE0F", true, "must not contain invisible or unassigned characters"},
		{"refuses a tag", "sissi\U000E0041", true, "must not contain invisible or unassigned characters"},
		{"refuses a private character", "sissi\uE000", true, "must not contain invisible or unassigned characters"},
		{"refuses an unassigned character", "sissi\u0378", true, "must not contain invisible or unassigned characters"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := groupAdmin()
			o := auth.Options{Verifier: p, Charset: latin1{}}
			if c.utf8 {
				o.Charset = nil
			}
			err := try(newAuth(t, o), here, c.username, "wrong")
			if c.reason == "" {
				wantError(t, err, auth.ErrBadCredentials)
				return
			}
			input, ok := errors.AsType[*auth.InputError](err)
			if !ok || len(input.Problems) != 1 || input.Problems[0] != (auth.Problem{Field: "username", Reason: c.reason}) {
				t.Errorf("error %v", err)
			}
			if n := p.asked.Load(); n != 0 {
				t.Errorf("the platform was asked %d times", n)
			}
		})
	}
}

// Whatever spelling of a name is not refused, it is counted as the same account.
func TestSpellingsOfOneAccountAreCountedTogether(t *testing.T) {
	t.Parallel()
	for name, spellings := range map[string][]string{
		"letter case":              {"sissi@example.com", "SISSI@Example.COM", "sıssı@example.com", "SİSSİ@example.com"},
		"letter case of others":    {"straße", "STRASSE", "STRAẞE", "strasse"},
		"letter case of Greek":     {"οδυσσεύς", "ΟΔΥΣΣΕΎΣ"},
		"the default domain":       {"sissi", "sissi@default.example", "SISSI@DEFAULT.example", "sissi@", "sissi@default.example."},
		"the default domain later": {"sissi@default.example", "sissi"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, second := range spellings[1:] {
				a := newAuth(t, auth.Options{
					AccountLimit:  auth.Limit{FreeAttempts: 1, BaseDelay: time.Hour, MaxDelay: time.Hour},
					DefaultDomain: func() string { return "Default.example" },
				})
				wantError(t, try(a, here, spellings[0], "wrong"), auth.ErrBadCredentials)
				if err := try(a, there, second, "wrong"); err == nil || errors.Is(err, auth.ErrBadCredentials) {
					t.Errorf("%q is a separate account: %v", second, err)
				}
				wantError(t, try(a, there, "other-"+second, "wrong"), auth.ErrBadCredentials)
			}
		})
	}
}

// asked is what a verifier was asked.
type asked struct{ username, password string }

// recordingVerifier returns a verifier that accepts every password, and what it is asked.
func recordingVerifier(who auth.Identity) (auth.Verifier, *[]asked) {
	var all []asked
	return verifierFunc(func(_ context.Context, username, password string) (auth.Identity, error) {
		all = append(all, asked{username, password})
		return who, nil
	}), &all
}

func TestReservedUsersCannotLogIn(t *testing.T) {
	t.Parallel()
	known, unknown := func() string { return "default.example" }, func() string { return "" }
	for _, c := range []struct {
		reserved string
		domain   func() string
		refused  []string
		accepted []string
	}{
		{"Gateway", known,
			[]string{"Gateway", "gateway", "gateway@default.example", "GATEWAY@Default.Example", "gateway@", "gateway@default.example.", "gatewaY"},
			[]string{"gateway@customer.example", "gateway2", "my-gateway", "gateway2@default.example"}},
		{"gateway@default.example", known,
			[]string{"gateway", "GATEWAY@default.example"},
			[]string{"gateway@customer.example"}},
		{"gateway@other.example", known,
			[]string{"gateway@other.example", "GATEWAY@OTHER.example"},
			[]string{"gateway", "gateway@default.example"}},
		{"gateway", unknown,
			[]string{"gateway", "gateway@default.example", "gateway@customer.example"},
			[]string{"gateway2"}},
		{"gateway@default.example", unknown,
			[]string{"gateway", "gateway@default.example"},
			[]string{"gateway@customer.example"}},
		{"gatewaykiss", known, []string{"gatewaykıss", "GATEWAYKİSS"}, nil},
	} {
		for _, name := range append(c.refused, c.accepted...) {
			verifier, heard := recordingVerifier(auth.Identity{LoginType: "User", TenantID: "t", GroupID: "g"})
			a := newAuth(t, auth.Options{Verifier: verifier, ReservedUsers: []string{c.reserved}, DefaultDomain: c.domain})
			err := try(a, here, name, "the password")
			if len(*heard) != 1 {
				t.Fatalf("%q: the platform was asked %d times", name, len(*heard))
			}
			got := (*heard)[0]
			if refused := len(c.accepted) == 0 || !slices.Contains(c.accepted, name); !refused {
				if err != nil || got != (asked{name, "the password"}) {
					t.Errorf("%q for the reserved %q: %v, asked %+v", name, c.reserved, err, got)
				}
				continue
			}
			wantError(t, err, auth.ErrBadCredentials)
			user, domain, _ := strings.Cut(name, "@")
			askedUser, askedDomain, _ := strings.Cut(got.username, "@")
			if strings.Contains(strings.ToLower(got.username), "gateway") || got.password == "the password" ||
				len(askedUser) < len(user) || askedDomain != domain || len(got.password) != len("the password") {
				t.Errorf("%q for the reserved %q: asked %+v", name, c.reserved, got)
			}
		}
	}
}

// The platform's schema limits characters, and a password that violates it takes another
// time to be refused.
func TestSubstituteOfAReservedUserHasAsManyCharacters(t *testing.T) {
	t.Parallel()
	verifier, heard := recordingVerifier(auth.Identity{LoginType: "User", TenantID: "t", GroupID: "g"})
	a := newAuth(t, auth.Options{Verifier: verifier, ReservedUsers: []string{strings.Repeat("ü", 40)}})
	wantError(t, try(a, here, strings.Repeat("Ü", 40), strings.Repeat("é", 50)), auth.ErrBadCredentials)
	if got := (*heard)[0]; len(got.username) != 40 || len(got.password) != 50 {
		t.Errorf("asked %+v", got)
	}
}

// A guess at a reserved user is counted as any other.
func TestGuessesAtReservedUsersAreCounted(t *testing.T) {
	t.Parallel()
	a := newAuth(t, auth.Options{ReservedUsers: []string{"gateway"}, AccountLimit: auth.Limit{FreeAttempts: 2}})
	for range 2 {
		wantError(t, try(a, here, "gateway", "wrong"), auth.ErrBadCredentials)
	}
	wantThrottled(t, try(a, there, "Gateway", "wrong"))
}

// If the name was not recognized, the platform's answer is.
func TestReservedUsersAreRecognizedInTheAnswer(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		username string
		who      auth.Identity
		err      error
	}{
		"by the platform's spelling": {"alias", auth.Identity{LoginType: "Provisioning", UserID: "GATEWAY"}, auth.ErrBadCredentials},
		"as an administrator of the system": {
			"gateway@not-the-default.example", auth.Identity{LoginType: "System", UserID: "gateway@not-the-default.example"}, auth.ErrBadCredentials,
		},
		"but not as a user of another domain": {
			"gateway@customer.example", auth.Identity{LoginType: "User", TenantID: "t", GroupID: "g", UserID: "gateway@customer.example"}, nil,
		},
		"but not another administrator": {"sysadmin", auth.Identity{LoginType: "System", UserID: "sysadmin"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			verifier, _ := recordingVerifier(c.who)
			a := newAuth(t, auth.Options{
				Verifier: verifier, ReservedUsers: []string{"gateway"}, DefaultDomain: func() string { return "default.example" },
				AccountLimit: auth.Limit{FreeAttempts: 1},
			})
			wantError(t, try(a, here, c.username, "the password"), c.err)
			if c.err != nil {
				wantThrottled(t, try(a, here, c.username, "the password"))
			}
		})
	}
}
