package auth

import (
	"crypto/rand"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"

	"ocigate/translate/scope"
)

// The user names of logins. A platform may accept several spellings of one user id:
// another letter case, additional white space, characters that its database or its
// character set maps to others, and, by the published schema, an id without a domain,
// which is "assumed to be the system default domain". Every spelling that is counted
// separately would be a further set of guesses at one account. So a name is refused if it
// is not in the one form that a platform can store, and names that differ only in letter
// case or by the default domain are one account.

// maxUsernameChars is the limit of the published OCI schema for user ids.
const maxUsernameChars = 161

// userNames are the rules for the user names of logins. It is immutable.
type userNames struct {
	charset  scope.Charset // nil holds every text
	reserved []userID
	// domain returns the default domain of the platform, and an empty text as long as
	// it is not known.
	domain func() string
}

func newUserNames(o Options) *userNames {
	n := &userNames{charset: o.Charset, domain: o.DefaultDomain}
	if n.domain == nil {
		n.domain = func() string { return "" }
	}
	for _, name := range o.ReservedUsers {
		n.reserved = append(n.reserved, splitUserID(name))
	}
	return n
}

// problem returns a clause about what is wrong with a name, or an empty text. Ids with
// other white space than single blanks inside are further names of an account, because
// the platform collapses white space; so are names with characters that nobody sees, or
// in another normal form, because a platform may map or leave out what it cannot store.
func (n *userNames) problem(name string) string {
	switch {
	case utf8.RuneCountInString(name) > maxUsernameChars:
		return "must not be longer than 161 characters"
	case strings.Join(strings.Fields(name), " ") != name:
		return "must not have leading, trailing or repeated blanks"
	}
	if problem := textProblem(name); problem != "" {
		return problem
	}
	switch {
	case strings.ContainsFunc(name, isUnseen):
		return "must not contain invisible or unassigned characters"
	case !norm.NFKC.IsNormalString(name):
		return "must be in the Unicode normal form NFKC"
	case n.charset != nil && !n.charset.CanEncode(name):
		return "must not contain characters outside the platform's character set"
	}
	return ""
}

// isUnseen reports whether a character has no shape of its own: format characters such
// as the zero-width ones and the byte order mark, fillers, selectors of variations,
// characters for private use, and those that Unicode has not assigned.
func isUnseen(r rune) bool {
	return !unicode.IsPrint(r) || unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}

// foldName returns the same text for all names that a platform may take for one: those
// that are equal without regard to letter case, by Unicode's full case folding or by the
// simple mappings of one character to another. So the long s is an s, the Kelvin sign a
// k, and the i with a dot or without one an i. Compatible forms of a character, such as
// the full-width ones, are one character, too.
func foldName(name string) string {
	name = norm.NFKC.String(strings.Map(simpleFold, name))
	name = norm.NFKC.String(strings.Map(simpleFold, cases.Fold().String(name)))
	return strings.ReplaceAll(name, "i\u0307", "i") // the full folding of the i with a dot
}

func simpleFold(r rune) rune { return unicode.ToLower(unicode.ToUpper(r)) }

// userID is a folded user id: a user and, after the first "@", a domain, if it has one.
type userID struct{ user, domain string }

// splitUserID returns the parts of a name. A dot at the end of a domain is left out, as
// in DNS.
func splitUserID(name string) userID {
	user, domain, _ := strings.Cut(foldName(name), "@")
	return userID{user, strings.TrimRight(domain, ".@")}
}

// completed returns the id with the domain that the platform assumes if it has none, as
// far as that is known.
func (id userID) completed(domain string) userID {
	if id.domain == "" {
		id.domain = domain
	}
	return id
}

// account returns the account of a name, for the counters of failed attempts.
func (n *userNames) account(name string) account {
	id := splitUserID(name).completed(n.defaultDomain())
	return accountOfUser(id.user + "@" + id.domain)
}

func (n *userNames) defaultDomain() string { return splitUserID("@" + n.domain()).domain }

// isReserved reports whether the platform may take a name for a reserved user. As long
// as the default domain is not known, it may be any: then a name without a domain and one
// with a domain are the same if their users are.
func (n *userNames) isReserved(name string) bool {
	domain := n.defaultDomain()
	id := splitUserID(name).completed(domain)
	for _, reserved := range n.reserved {
		reserved = reserved.completed(domain)
		unknown := id.domain == "" || reserved.domain == ""
		if id.user == reserved.user && (unknown || id.domain == reserved.domain) {
			return true
		}
	}
	return false
}

// isReservedIdentity reports whether the platform has verified the password of a reserved
// user, although the name was not recognized as theirs: by the platform's spelling of the
// id, or because an administrator of the system has the same user. By the published
// schema these have no domain of their own, so theirs can only be the default domain.
func (n *userNames) isReservedIdentity(name string, who Identity) bool {
	if who.UserID != "" && n.isReserved(who.UserID) {
		return true
	}
	if loginTypes[who.LoginType] != SystemAdmin {
		return false
	}
	user := splitUserID(name).user
	for _, reserved := range n.reserved {
		if reserved.user == user {
			return true
		}
	}
	return false
}

// substitute returns credentials that nobody has, of the domain and, in characters, of the
// length of those that are given: the platform's schema limits both. The platform verifies them instead, so that the response takes as long
// as for any other name, and is the same if the platform is unavailable. The platform
// sees one more login of an unknown user, which the limits bound, and neither the
// reserved name nor what was guessed.
func substitute(name, password string) (string, string) {
	user, domain, hasDomain := strings.Cut(name, "@")
	name = randomText(max(utf8.RuneCountInString(user), len(rand.Text())))
	if hasDomain {
		name += "@" + domain
	}
	if utf8.RuneCountInString(name) > maxUsernameChars {
		name = randomText(maxUsernameChars)
	}
	return name, randomText(utf8.RuneCountInString(password))
}

// randomText returns that many random letters and digits.
func randomText(length int) string {
	var text strings.Builder
	for text.Len() < length {
		text.WriteString(rand.Text())
	}
	return text.String()[:length]
}
