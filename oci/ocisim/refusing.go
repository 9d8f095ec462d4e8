package ocisim

import (
	"fmt"
	"slices"
	"time"
)

// RefusalMode is how a platform refuses a command or an element that its
// release does not have, or that does not fit the schema.
type RefusalMode string

// The modes of refusal.
const (
	// RefusalCommand answers an invalid command with an ErrorResponse in its
	// own place, and processes the other commands of the document.
	RefusalCommand RefusalMode = "command"
	// RefusalDocument validates a document before any command of it runs. One
	// ErrorResponse is the only answer to an invalid one.
	RefusalDocument RefusalMode = "document"
	// RefusalClose validates like RefusalDocument, and closes the connection
	// without an answer.
	RefusalClose RefusalMode = "close"
)

// RefusalModes are all modes of refusal, the default first.
func RefusalModes() []RefusalMode {
	return []RefusalMode{RefusalCommand, RefusalDocument, RefusalClose}
}

// ParseRefusalMode reads the name of a mode. Its error names those that are
// allowed.
func ParseRefusalMode(text string) (RefusalMode, error) {
	if mode := RefusalMode(text); slices.Contains(RefusalModes(), mode) {
		return mode, nil
	}
	return "", fmt.Errorf("%q is not one of %s", text, listed(RefusalModes()))
}

// notAllowed and unknownType are the words of real platforms about what they do
// not know.
func notAllowed(element string) *refusal {
	return invalid("Element not allowed: %s in element BroadsoftDocument@C", element)
}

func unknownType(command string) *refusal {
	return invalid("Invalid xsi:type qname: '%s' in element BroadsoftDocument@C", command)
}

// validate checks a command against the schema of the platform's release.
func (p *Platform) validate(doc document, c command) *refusal {
	row := commandTable[c.name]
	if !p.knows(row) {
		return unknownType(c.name).about(doc.source.child(c.index))
	}
	if err := check(c.name, ofRelease(row.schema, p.settings.Release), c.children); err != nil {
		return invalid("%v", err).about(doc.source.child(c.index))
	}
	return nil
}

// validateDocument finds what makes the platform refuse a document as a whole,
// or nil.
func (p *Platform) validateDocument(doc document) *refusal {
	if doc.hasTracking && !p.knowsTrackingID() {
		return notAllowed("trackingId")
	}
	if p.settings.Refusal == RefusalCommand {
		return nil
	}
	for _, c := range doc.commands {
		if r := p.validate(doc, c); r != nil {
			return r
		}
	}
	return nil
}

// refuseDocument refuses a document as a whole: no command of it is carried out
// or meets a fault. It reports whether the connection stays open.
func (s *session) refuseDocument(doc document, why *refusal) bool {
	p := s.platform
	s.log.Info("document refused", "detail", why.detail)
	_, login := s.who()
	for _, c := range doc.commands {
		entry := Entry{Time: time.Now(), Connection: s.id, Login: login, Error: why.number}
		entry.describe(&c.node)
		p.ledger.add(entry)
	}
	if p.settings.Refusal == RefusalClose {
		return false
	}
	doc.hasTracking = doc.hasTracking && p.knowsTrackingID()
	return s.answer(doc, []reply{{refusal: why.about(doc.source.text())}}, &delivery{})
}
