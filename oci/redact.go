package oci

import (
	"html"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// redacted stands in the place of a secret.
const redacted = "[redacted]"

// checksCredentials reports whether a command logs in or verifies credentials:
// AuthenticationRequest, AuthenticationVerifyRequest… and LoginRequest….
func checksCredentials(command string) bool {
	return strings.HasPrefix(command, "Authentication") || strings.HasPrefix(command, "LoginRequest")
}

// secretWords are parts of the names of elements and attributes that hold
// secrets, in lower case.
var secretWords = []string{"password", "passcode", "passwd", "passphrase", "pwd", "secret", "token", "credential", "nonce", "sharedkey", "authenticationcode"}

// isSecret reports whether an element or attribute of that name holds a secret.
func isSecret(name string) bool {
	name = strings.ToLower(name)
	return slices.ContainsFunc(secretWords, func(word string) bool { return strings.Contains(name, word) })
}

// secretsIn returns the texts of all elements that hold secrets, as they are and
// escaped, the longer ones first. Those of less than 3 bytes are skipped: they
// would match ordinary text.
func secretsIn(elements []Element) []string {
	const shortest = 3 // bytes
	var secrets []string
	for _, e := range elements {
		if isSecret(e.Name) && len(e.Text) >= shortest {
			once := html.EscapeString(e.Text)
			secrets = append(secrets, html.EscapeString(once), once, xmlEscaped(e.Text), e.Text)
		}
		secrets = append(secrets, secretsIn(e.Children)...)
	}
	return secrets
}

// xmlEscaped is a text as documents write it.
func xmlEscaped(text string) string {
	w := writer{}
	w.text("", text)
	return string(w.to)
}

// Tags and attributes as they stand in a text that repeats XML: as they are, or
// escaped once or more often. A value of an attribute in escaped quotes reaches
// to the end of the text.
const (
	openBracket = `(?i)(?:<|&(?:amp;|#0*38;|#x0*26;)*(?:lt|#0*60|#x0*3c);)\s*`
	elementName = `((?:[\w.-]+:)*[\w.-]+)`
)

var (
	startTag    = regexp.MustCompile(openBracket + elementName)
	endTag      = regexp.MustCompile(openBracket + `/\s*` + elementName)
	anAttribute = regexp.MustCompile(`(?is)([\w.:-]+)(\s*=\s*)(?:"[^"]*"?|'[^']*'?|&(?:amp;)*(?:quot|apos|#0*3[49]|#x0*2[27]);.*|[^\s"'<>]+)`)
)

// Bounds of the search for secrets: of the text, in bytes, and of the elements
// in it that hold one. What is beyond is removed. The search looks through the
// text once for each such element.
const (
	maxSearched       = 64 << 10
	maxSecretElements = 16
)

// withoutSecrets removes from a platform's text the content of all elements and
// attributes that hold secrets, by their names. If in doubt it removes more: up
// to the last end tag of that name, or to the end of the text where there is
// none, since texts may be cut short.
func withoutSecrets(text string) string {
	if !isSecret(text) {
		return text
	}
	if len(text) > maxSearched {
		text = strings.ToValidUTF8(text[:maxSearched], "") + ellipsis
	}
	return withoutSecretAttributes(withoutSecretElements(text))
}

// maxSaid bounds a text of the platform that leaves this package, in bytes.
const maxSaid = 4 << 10

// publishable is a text of the platform without secrets, those in elements and
// attributes that hold some, and those given, and of bounded length. It is cut
// last of all: half a secret would not be found any more.
func publishable(text string, secrets []string) string {
	mark := ""
	if len(text) > maxSearched {
		text, mark = text[:placeToCut(text, maxSearched, secrets)], ellipsis
	}
	text = withoutSecrets(text)
	for _, secret := range secrets {
		text = strings.ReplaceAll(text, secret, redacted)
	}
	return clip(text+mark, maxSaid)
}

// placeToCut is the last place up to there that is neither inside a character nor
// inside a secret.
func placeToCut(text string, at int, secrets []string) int {
	for at > 0 && !utf8.RuneStart(text[at]) {
		at--
	}
	for _, secret := range secrets {
		from := max(0, at-len(secret)+1)
		if i := strings.Index(text[from:min(len(text), at+len(secret)-1)], secret); i >= 0 {
			return placeToCut(text, from+i, secrets)
		}
	}
	return at
}

// ellipsis marks a text that was cut.
const ellipsis = "…"

// clip is a text of at most so many bytes, cut between two characters and marked
// where it is longer.
func clip(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return text[:placeToCut(text, most-len(ellipsis), nil)] + ellipsis
}

func withoutSecretElements(text string) string {
	var kept strings.Builder
	for found := 0; ; {
		tag := startTag.FindStringSubmatchIndex(text)
		if tag == nil {
			kept.WriteString(text)
			return kept.String()
		}
		end, name := tag[1], text[tag[2]:tag[3]]
		kept.WriteString(text[:end])
		text = text[end:]
		if isSecret(name) {
			kept.WriteString(">" + redacted)
			if found++; found > maxSecretElements {
				return kept.String() + "…"
			}
			text = text[lastEndTag(text, name):]
		}
	}
}

// lastEndTag is where the last end tag of that name begins, or the end of the
// text.
func lastEndTag(text, name string) int {
	last := len(text)
	for _, tag := range endTag.FindAllStringSubmatchIndex(text, -1) {
		if strings.EqualFold(text[tag[2]:tag[3]], name) {
			last = tag[0]
		}
	}
	return last
}

func withoutSecretAttributes(text string) string {
	return anAttribute.ReplaceAllStringFunc(text, func(found string) string {
		parts := anAttribute.FindStringSubmatch(found)
		if !isSecret(parts[1]) {
			return found
		}
		return parts[1] + parts[2] + redacted
	})
}
