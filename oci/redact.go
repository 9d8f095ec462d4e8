package oci

import (
	"html"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// redacted replaces a secret.
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

// secretsIn returns the texts of all elements that hold secrets, unescaped and escaped,
// the longer ones first. Texts of less than 3 bytes are skipped, because they would
// match ordinary text.
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

// xmlEscaped returns a text as it is written in a document.
func xmlEscaped(text string) string {
	w := writer{}
	w.text("", text)
	return string(w.to)
}

// Tags and attributes in a text that repeats XML: unescaped, or escaped once or more
// often. The value of an attribute in escaped quotes extends to the end of the text.
const (
	openBracket = `(?i)(?:<|&(?:amp;|#0*38;|#x0*26;)*(?:lt|#0*60|#x0*3c);)\s*`
	elementName = `((?:[\w.-]+:)*[\w.-]+)`
)

var (
	startTag    = regexp.MustCompile(openBracket + elementName)
	endTag      = regexp.MustCompile(openBracket + `/\s*` + elementName)
	anAttribute = regexp.MustCompile(`(?is)([\w.:-]+)(\s*=\s*)(?:"[^"]*"?|'[^']*'?|&(?:amp;)*(?:quot|apos|#0*3[49]|#x0*2[27]);.*|[^\s"'<>]+)`)
)

// Limits of the search for secrets: of the text, in bytes, and of the elements in it
// that hold a secret. The rest is removed. The text is searched once for each such
// element.
const (
	maxSearched       = 64 << 10
	maxSecretElements = 16
)

// withoutSecrets removes from a platform's text the content of all elements and
// attributes that hold secrets, by their names. It removes rather too much: up to the
// last end tag of that name, or to the end of the text if there is none, since texts
// may be cut.
func withoutSecrets(text string) string {
	if !isSecret(text) {
		return text
	}
	if len(text) > maxSearched {
		text = strings.ToValidUTF8(text[:maxSearched], "") + ellipsis
	}
	return withoutSecretAttributes(withoutSecretElements(text))
}

// maxPublished limits a text of the platform that this package returns, in bytes.
const maxPublished = 4 << 10

// publishable returns a text of the platform without secrets and of limited length. It
// removes the secrets in elements and attributes that hold some, and those given. The
// text is cut at last, because a part of a secret would not be found.
func publishable(text string, secrets []string) string {
	mark := ""
	if len(text) > maxSearched {
		text, mark = text[:placeToCut(text, maxSearched, secrets)], ellipsis
	}
	text = withoutSecrets(text)
	for _, secret := range secrets {
		text = strings.ReplaceAll(text, secret, redacted)
	}
	return clip(text+mark, maxPublished)
}

// placeToCut returns the last offset up to at that is neither in a character nor in a
// secret.
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

// clip returns a text of at most that many bytes. A longer one is cut between two
// characters, and ends with an ellipsis.
func clip(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return text[:placeToCut(text, most-len(ellipsis), nil)] + ellipsis
}

// withoutSecretElements replaces the content of elements that hold secrets.
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

// lastEndTag returns the offset of the last end tag of that name, or of the end of the
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

// withoutSecretAttributes replaces the values of attributes that hold secrets.
func withoutSecretAttributes(text string) string {
	return anAttribute.ReplaceAllStringFunc(text, func(found string) string {
		parts := anAttribute.FindStringSubmatch(found)
		if !isSecret(parts[1]) {
			return found
		}
		return parts[1] + parts[2] + redacted
	})
}
