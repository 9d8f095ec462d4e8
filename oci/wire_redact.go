package oci

import (
	"bytes"
	"html"
	"regexp"
	"slices"
	"strings"
)

// wireRequest returns the text of a document that was sent, without secrets.
func wireRequest(document outgoing, in Encoding) string {
	document.sessionID = pseudonym(document.sessionID)
	commands := make([]Command, len(document.commands))
	for i, c := range document.commands {
		secrets := secretsIn(c.Elements())
		commands[i] = NewRead(c.Name(), elementsWithoutSecrets(c.Elements(), secrets)...)
	}
	document.commands = commands
	encoded, err := document.encode(in)
	if err != nil {
		return redacted // cannot happen: the document with its secrets was encoded
	}
	return decodedDocument(encoded)
}

// elementsWithoutSecrets returns the elements without the content of those that hold
// secrets.
func elementsWithoutSecrets(elements []Element, secrets []string) []Element {
	kept := make([]Element, len(elements))
	for i, e := range elements {
		switch {
		case e.Nil:
		case isSecret(e.Name):
			e.Text, e.Children = redacted, nil
		default:
			e.Text = withoutSecretTexts(e.Text, secrets)
			e.Children = elementsWithoutSecrets(e.Children, secrets)
		}
		kept[i] = e
	}
	return kept
}

// withoutSecretTexts removes from a text what may hold secrets, and those given.
func withoutSecretTexts(text string, secrets []string) string {
	text = withoutSecrets(text)
	for _, secret := range secrets {
		text = strings.ReplaceAll(text, secret, redacted)
	}
	return text
}

// wireReply returns the text of what was received in reply to a document, without
// secrets. accepted reports whether it is a document that the scanner has accepted, or the
// beginning of one.
func wireReply(received []byte, to outgoing, accepted bool) string {
	var secrets []string
	for _, c := range to.commands {
		secrets = append(secrets, secretsIn(c.Elements())...)
	}
	text := decodedDocument(received)
	r := redactor{secrets: secrets}
	rest := r.document(text)
	text = r.out.String()
	if !accepted {
		text = refusedWithoutSecrets(text+rest, secrets)
	}
	if to.sessionID != "" {
		text = strings.ReplaceAll(text, to.sessionID, pseudonym(to.sessionID))
	}
	return text
}

// decodedDocument returns the text of a document in the encoding that its declaration
// names. If that is not known, it is read as UTF-8. What is not valid becomes U+FFFD.
func decodedDocument(document []byte) string {
	if rest, ok := bytes.CutPrefix(document, []byte("<?xml")); ok {
		inside, _, _ := bytes.Cut(rest, []byte(instructionEnding))
		if charset, err := declaredCharset(inside); err == nil && charset != nil {
			if text, err := charset.NewDecoder().Bytes(document); err == nil {
				return string(text)
			}
		}
	}
	return strings.ToValidUTF8(string(document), "\uFFFD")
}

// aSessionID finds the session id in a document that may not be well-formed.
var aSessionID = regexp.MustCompile(`(<(?:[\w.-]+:)?sessionId\b[^<>]*>)([^<]*)`)

// refusedWithoutSecrets removes the secrets that a redactor has left in a document that
// is not known to be well-formed. It removes rather too much.
func refusedWithoutSecrets(text string, secrets []string) string {
	text = strings.ReplaceAll(text, "\x00", "") // UTF-16 would hide the names
	decoded := html.UnescapeString(text)
	if isSecret(decoded) || slices.ContainsFunc(secrets, func(secret string) bool { return strings.Contains(decoded, secret) }) {
		text = decoded // references could hide names and secrets
	}
	text = withoutSecretTexts(text, secrets)
	return aSessionID.ReplaceAllStringFunc(text, func(found string) string {
		parts := aSessionID.FindStringSubmatch(found)
		return parts[1] + pseudonym(strings.Trim(parts[2], blanks))
	})
}

// redactor writes a document, or the beginning of one, without its secrets. If the
// scanner has accepted the document, nothing secret is left, and the result is
// well-formed if the document is complete. In any other text, it may take something else
// for a tag than a reader of XML would.
type redactor struct {
	secrets []string // texts to remove everywhere
	out     strings.Builder
	open    []string // the local names of the open elements
	skipped int      // the number of open elements when one that holds a secret was opened; 0 for none

	// Of the table that is being read.
	columns  []bool // by column: its heading is that of secrets
	headings bool   // its headings are being read
	column   int    // the next in the row
}

// document writes a document. It returns the tag within which the document is cut, which
// it does not write.
func (r *redactor) document(text string) (rest string) {
	encoded := []byte(text)
	for at := 0; ; {
		end := at + nextTag(text[at:])
		r.content(text[at:end])
		length := tagEnd(encoded[end:])
		if length == 0 {
			if r.skipped > 0 {
				return ""
			}
			return text[end:]
		}
		at = end + length
		r.tag(text[end:at])
	}
}

// nextTag returns the offset of the first start or end tag. Comments, instructions and
// CDATA sections are skipped. Without a tag it is the end of the text.
func nextTag(text string) int {
	at := 0
	for {
		i := strings.IndexByte(text[at:], '<')
		if i < 0 {
			return len(text)
		}
		at += i
		length := notTag(text[at:])
		if length == 0 {
			return at
		}
		at += length
	}
}

// notTag returns the length of the comment, instruction or CDATA section at the
// beginning of a text, or 0 if there is a tag.
func notTag(text string) int {
	for _, markup := range [...]struct{ opening, ending string }{
		{commentOpening, commentEnding}, {cdataOpening, cdataEnding}, {instructionOpening, instructionEnding},
	} {
		if !strings.HasPrefix(text, markup.opening) {
			continue
		}
		if i := strings.Index(text[len(markup.opening):], markup.ending); i >= 0 {
			return len(markup.opening) + i + len(markup.ending)
		}
		return len(text)
	}
	return 0
}

// content writes what is between two tags.
func (r *redactor) content(raw string) {
	if r.skipped > 0 || raw == "" {
		return
	}
	text := decodedContent(raw)
	switch r.top() {
	case "sessionId":
		r.out.WriteString(xmlEscaped(pseudonym(strings.Trim(text, blanks))))
		return
	case headingElement:
		r.columns[len(r.columns)-1] = isSecret(strings.ReplaceAll(text, " ", ""))
	}
	if kept := withoutSecretTexts(text, r.secrets); kept != text || withoutSecretTexts(raw, r.secrets) != raw {
		raw = xmlEscaped(kept)
	}
	r.out.WriteString(raw)
}

// decodedContent returns the text of what is between two tags.
func decodedContent(raw string) string {
	var text strings.Builder
	for raw != "" {
		i := strings.IndexByte(raw, '<')
		if i < 0 {
			i = len(raw)
		}
		text.WriteString(html.UnescapeString(raw[:i]))
		raw = raw[i:]
		length := notTag(raw)
		if inside, ok := strings.CutPrefix(raw[:length], cdataOpening); ok {
			text.WriteString(strings.TrimSuffix(inside, cdataEnding))
		}
		raw = raw[length:]
	}
	return text.String()
}

// top returns the name of the innermost open element, "" for none.
func (r *redactor) top() string {
	if len(r.open) == 0 {
		return ""
	}
	return r.open[len(r.open)-1]
}

// tag writes a tag.
func (r *redactor) tag(tag string) {
	if strings.HasPrefix(tag, "</") {
		if r.skipped == 0 || r.skipped == len(r.open) {
			r.skipped = 0
			r.out.WriteString(tag)
		}
		r.open = r.open[:max(0, len(r.open)-1)]
		return
	}
	name := tag[1 : 1+strings.IndexAny(tag[1:], blanks+"/>")]
	name = name[strings.IndexByte(name, ':')+1:]
	if r.skipped == 0 {
		r.out.WriteString(r.attributes(tag))
	}
	secret := r.isSecret(name)
	if strings.HasSuffix(tag, "/>") {
		return
	}
	r.open = append(r.open, name)
	if secret && r.skipped == 0 {
		r.out.WriteString(redacted)
		r.skipped = len(r.open)
	}
}

// isSecret reports whether the element that begins holds a secret: by its name, or as a
// cell of a column by the heading.
func (r *redactor) isSecret(name string) bool {
	switch name {
	case headingElement:
		if !r.headings {
			r.columns = r.columns[:0]
		}
		r.columns, r.headings = append(r.columns, false), true
	case rowElement:
		r.column, r.headings = 0, false
	case cellElement:
		r.column++
		return r.column <= len(r.columns) && r.columns[r.column-1]
	}
	return isSecret(name)
}

// quotedAttribute is an attribute of a tag.
var quotedAttribute = regexp.MustCompile(`([\w.:-]+)(\s*=\s*)("[^"]*"|'[^']*')`)

// attributes returns a start tag without the secrets in its attributes.
func (r *redactor) attributes(tag string) string {
	if !isSecret(html.UnescapeString(tag)) && len(r.secrets) == 0 {
		return tag
	}
	return quotedAttribute.ReplaceAllStringFunc(tag, func(found string) string {
		parts := quotedAttribute.FindStringSubmatch(found)
		value := html.UnescapeString(parts[3][1 : len(parts[3])-1])
		kept := withoutSecretTexts(value, r.secrets)
		if isSecret(parts[1]) {
			kept = redacted
		}
		if kept == value {
			return found
		}
		return parts[1] + parts[2] + `"` + strings.ReplaceAll(xmlEscaped(kept), `"`, "&quot;") + `"`
	})
}
