package ocisim

import (
	"fmt"
	"slices"
	"time"
)

// RefusalMode is the mode in which a platform refuses a command or an element that
// its release does not support or that does not fit the schema.
type RefusalMode string

// The modes of refusal.
const (
	// RefusalCommand replies to an invalid command with an ErrorResponse in its
	// place and processes the other commands of the document.
	RefusalCommand RefusalMode = "command"
	// RefusalDocument validates a document before any command of it runs. The only
	// reply to an invalid one is an ErrorResponse.
	RefusalDocument RefusalMode = "document"
	// RefusalClose validates like RefusalDocument and closes the connection without
	// a reply to an invalid document.
	RefusalClose RefusalMode = "close"
)

// RefusalModes returns all modes of refusal, the default first.
func RefusalModes() []RefusalMode {
	return []RefusalMode{RefusalCommand, RefusalDocument, RefusalClose}
}

// ParseRefusalMode parses the name of a mode. Its error lists the allowed ones.
func ParseRefusalMode(text string) (RefusalMode, error) {
	if mode := RefusalMode(text); slices.Contains(RefusalModes(), mode) {
		return mode, nil
	}
	return "", fmt.Errorf("%q is not one of %s", text, listed(RefusalModes()))
}

// notAllowed returns the refusal of an element that the release does not support,
// with the reason that real platforms give.
func notAllowed(element string) *refusal {
	return invalid("Element not allowed: %s in element BroadsoftDocument@C", element)
}

// unknownType returns the refusal of a command that the release does not support,
// with the reason that real platforms give.
func unknownType(command string) *refusal {
	return invalid("Invalid xsi:type qname: '%s' in element BroadsoftDocument@C", command)
}

// validate checks a command against the schema of the platform's release.
func (p *Platform) validate(doc document, c command) *refusal {
	row := commandTable[c.name]
	if !p.supports(row) {
		return unknownType(c.name).about(doc.source.child(c.index))
	}
	if err := check(c.name, ofRelease(row.schema, p.settings.Release), c.children); err != nil {
		return invalid("%v", err).about(doc.source.child(c.index))
	}
	return nil
}

// validateDocument returns the refusal of the entire document, or nil.
func (p *Platform) validateDocument(doc document) *refusal {
	if doc.hasTracking && !p.supportsTrackingID() {
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

// refuseDocument refuses an entire document: no command of it is carried out, and no
// fault acts. It reports whether the connection stays open.
func (s *session) refuseDocument(doc document, why *refusal) bool {
	p := s.platform
	s.log.Info("document refused", "detail", why.detail)
	_, login := s.identity()
	for _, c := range doc.commands {
		entry := Entry{Time: time.Now(), Connection: s.id, Login: login, Error: why.number}
		entry.describe(&c.node)
		p.ledger.add(entry)
	}
	if p.settings.Refusal == RefusalClose {
		return false
	}
	doc.hasTracking = doc.hasTracking && p.supportsTrackingID()
	return s.deliver(doc, []reply{{refusal: why.about(doc.source.text())}}, &delivery{})
}
