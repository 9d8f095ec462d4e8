package oci

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"
)

// incoming is a document from the platform.
type incoming struct {
	sessionID  stated
	trackingID stated
	commands   []answer
}

// stated is a text that a document may have, which may be empty.
type stated struct {
	text    string
	present bool
}

// differs reports whether it is there and is not that text. Nothing is to be
// expected of a release that leaves it out.
func (s stated) differs(from string) bool { return s.present && s.text != from }

// answer is one command of an incoming document.
type answer struct {
	Reply
	echo stated
}

// ParseReplies reads a document of the platform as a session would, apart from
// the question whose answer it is. Errors are of type [*ProtocolError].
func ParseReplies(document []byte) ([]Reply, error) {
	stream := newScanner(bytes.NewReader(document), len(document)+1) // where it is cut short, that is no matter of the limit
	in, err := stream.document()
	if _, refused := whyRefused(err); refused {
		return nil, err
	}
	if err != nil {
		return nil, protocolError("no whole document: %v", err)
	}
	if err := stream.await(); !errors.Is(err, io.EOF) {
		return nil, protocolError("something follows the document")
	}
	replies := make([]Reply, len(in.commands))
	for i, c := range in.commands {
		if c.failure != nil {
			c.failure.publish(nil)
		}
		replies[i] = c.Reply
	}
	return replies, nil
}

// document reads one whole document.
func (s *scanner) document() (incoming, error) {
	if err := s.await(); err != nil {
		return incoming{}, err
	}
	s.begin()
	if err := s.root(); err != nil {
		return incoming{}, err
	}
	var in incoming
	if err := s.children(func() error { return s.part(&in) }); err != nil {
		return incoming{}, err
	}
	return in, s.finish()
}

// root opens the root of a document.
func (s *scanner) root() error {
	if s.skipHead() {
		return nil
	}
	if _, err := s.child(); err != nil {
		return err
	}
	if string(s.tag.local) != "BroadsoftDocument" || s.namespaceOf(s.tag.prefix) != spaceC {
		return protocolError("the root is not BroadsoftDocument in namespace C")
	}
	if protocol := s.tag.stated("protocol").text; protocol != "OCI" {
		return protocolError("the document's protocol is %.32q", protocol)
	}
	s.keepHead()
	return nil
}

// part reads a child of the root that was just opened.
func (s *scanner) part(in *incoming) (err error) {
	switch string(s.tag.local) {
	case "sessionId":
		return s.id(&in.sessionID)
	case "trackingId":
		return s.id(&in.trackingID)
	case "command":
		if len(in.commands) == MaxCommands {
			return protocolError("the document holds more than %d commands", MaxCommands)
		}
		var a answer
		a, err = s.answer()
		in.commands = append(in.commands, a)
	default:
		return protocolError("the document holds an element %.32s", s.tag.local)
	}
	return err
}

// id reads an element that holds text alone, of which blanks at the ends are
// no part.
func (s *scanner) id(into *stated) (err error) {
	if into.present {
		return twice("the document has element %s twice", s.tag.name)
	}
	var opened bool
	s.text, opened, err = s.content(s.text[:0], maxID)
	if opened && err == nil {
		return protocolError("element %s stands where text should", s.tag.name)
	}
	*into = stated{string(bytes.Trim(s.text, blanks)), true}
	return err
}

// answer reads a command that was just opened.
func (s *scanner) answer() (answer, error) {
	name, err := s.commandType()
	if err != nil {
		return answer{}, err
	}
	a := answer{Reply: Reply{name: name}, echo: s.tag.stated("echo")}
	severity := s.tag.stated("type")
	s.nodes = s.nodes[:0]
	err = s.children(func() error { return s.node(name == errorResponse) })
	a.children = slices.Clone(s.nodes)
	clear(s.nodes) // what they hold is the reply's alone
	if name == errorResponse && err == nil {
		a.failure, err = a.errorReply(severity)
	}
	return a, err
}

// commandType resolves the xsi:type of the element that was just opened.
// Success and error are types of namespace C, all others are in none. The
// default namespace counts for a type without a prefix.
func (s *scanner) commandType() (string, error) {
	for _, a := range s.tag.attributes {
		prefix, local := splitName(a.name)
		if string(local) != "type" || len(prefix) == 0 || s.namespaceOf(prefix) != spaceXSI {
			continue
		}
		value := bytes.Trim(s.tag.value(a), blanks)
		prefix, name := splitName(value)
		if len(value) > maxName {
			return "", errName
		}
		if len(value) == 0 || nameLength(value) != len(value) || !s.ours(prefix) {
			return "", protocolError("a command is of type %.32q, which OCI-P does not have", value)
		}
		return s.term(name), nil
	}
	return "", protocolError("a command has no xsi:type")
}

// node reads an element of a command that was just opened, and those inside. A
// text of a refusal that is too long is cut. It calls itself, no deeper than
// maxDepth.
func (s *scanner) node(ofRefusal bool) error {
	at := len(s.nodes)
	if err := s.addNode(); err != nil {
		return err
	}
	length := maxText
	if ofRefusal {
		length = maxRefusalText
	}
	var opened bool
	var err error
	s.cut = ofRefusal
	s.text, opened, err = s.content(s.text[:0], length)
	s.cut = false
	n := &s.nodes[at] // until another is added
	switch {
	case err != nil:
		return err
	case n.isNil && (opened || !isBlank(s.text)):
		return protocolError("element %.32s is nil and holds something", n.name)
	case n.isNil:
		return nil
	case !opened:
		n.text = string(s.text)
		return s.used.text(len(n.text))
	case !isBlank(s.text), ofRefusal && len(s.text) >= length:
		return errMixed
	case string(s.tag.local) == headingElement:
		if err := s.used.table(); err != nil {
			return err
		}
		n.table, err = s.table()
		return err
	}
	for opened {
		if err := s.node(ofRefusal); err != nil {
			return err
		}
		if opened, err = s.child(); err != nil {
			return err
		}
	}
	s.nodes[at].below = uint32(len(s.nodes) - at - 1) //nolint:gosec // see maxElements
	return nil
}

// addNode adds the element that was just opened to those of the command.
func (s *scanner) addNode() error {
	if err := s.used.element(); err != nil {
		return err
	}
	isNil, err := s.isNil()
	if err != nil {
		return err
	}
	if len(s.nodes) == cap(s.nodes) { // append and slices.Grow would come to more garbage
		s.nodes = append(make(nodes, 0, max(minNodes, 2*len(s.nodes))), s.nodes...)
	}
	s.nodes = append(s.nodes, node{name: s.term(s.tag.local), isNil: isNil})
	return nil
}

// isNil reports whether the element that was just opened is marked as nil.
func (s *scanner) isNil() (bool, error) {
	for _, a := range s.tag.attributes {
		prefix, local := splitName(a.name)
		if string(local) != "nil" || len(prefix) == 0 || s.namespaceOf(prefix) != spaceXSI {
			continue
		}
		switch string(bytes.Trim(s.tag.value(a), blanks)) {
		case "true", "1":
			return true, nil
		case "false", "0":
			return false, nil
		}
		return false, protocolError("element %.32s is marked as nil by something else than a boolean", s.tag.local)
	}
	return false, nil
}

// errorReply is the refusal as it is written, with its secrets and at its whole
// length: see [ErrorReply.publish].
func (r Reply) errorReply(severity stated) (*ErrorReply, error) {
	e := &ErrorReply{Severity: Severity(severity.text)}
	if !severity.present {
		e.Severity = SeverityError
	}
	var code string
	for _, text := range []struct {
		element string
		into    *string
	}{{"errorCode", &code}, {"summary", &e.Summary}, {"summaryEnglish", &e.SummaryEnglish}, {"detail", &e.Detail}} {
		said, _, err := r.Text(text.element)
		if err != nil {
			return nil, err
		}
		*text.into = said
	}
	var err error
	if e.Number, err = strconv.Atoi(strings.TrimSpace(code)); err != nil {
		e.Number = numberOfSummary(e.Summary)
	}
	return e, nil
}

// responseName is the type of the answer to a command that does not only
// succeed or fail.
func responseName(command string) string {
	i := strings.LastIndex(command, "Request")
	if i < 0 {
		return command
	}
	return command[:i] + "Response" + command[i+len("Request"):]
}

// match checks that the document is the answer to o: same session, same
// tracking id and echoes where they come back, and for each command, in order,
// an answer that it can have. One refusal in answer to several commands is a
// refusal of the whole document: nothing of it was done.
func (in incoming) match(o outgoing) ([]Reply, error) {
	if in.sessionID.text != o.sessionID {
		return nil, foreign("the answer belongs to another session")
	}
	if in.trackingID.differs(o.trackingID) {
		return nil, foreign("the answer has another tracking id")
	}
	if in.refusesWhole(o) {
		return refusedWhole(in.commands[0], o)
	}
	if len(in.commands) != len(o.commands) {
		return nil, refusedAs(RefusedMismatch, "%d commands got %d answers", len(o.commands), len(in.commands))
	}
	replies := make([]Reply, len(in.commands))
	for i, a := range in.commands {
		asked := o.commands[i].Name()
		if !a.echoes(o.echo(i)) {
			return nil, foreign("the answer to %s has another echo", asked)
		}
		switch a.name {
		case errorResponse:
			a.refuse(o.commands[i])
		case successResponse, responseName(asked):
		default:
			return nil, refusedAs(RefusedMismatch, "%s was answered with %.64s", asked, a.name)
		}
		replies[i] = a.Reply
	}
	return replies, nil
}

// echoes reports whether the answer may be the one to a command with that echo.
// One that is there and empty is another one, except on a validation error: a
// platform that refuses a document before it reads the commands knows none.
func (a answer) echoes(sent string) bool {
	return !a.echo.differs(sent) || a.echo.text == "" && a.isValidationError()
}

// refusesWhole reports whether the document is one refusal of several commands.
func (in incoming) refusesWhole(o outgoing) bool {
	return len(o.commands) > 1 && len(in.commands) == 1 &&
		in.commands[0].failure != nil && in.commands[0].failure.Severity == SeverityError
}

// refusedWhole returns the refusal of a document as the answer to each of its
// commands.
func refusedWhole(a answer, o outgoing) ([]Reply, error) {
	if a.echo.text != "" && !slices.Contains(o.echoes, a.echo.text) {
		return nil, foreign("the refusal of the document has another echo")
	}
	replies := make([]Reply, len(o.commands))
	for i, c := range o.commands {
		replies[i] = a.Reply
		replies[i].refuse(c)
		replies[i].whole = true
	}
	return replies, nil
}

// forcedLogout tells whether the platform says goodbye, and why.
func (in incoming) forcedLogout() (reason string, ok bool) {
	if len(in.commands) != 1 || in.commands[0].name != "LogoutRequest" {
		return "", false
	}
	if reason, _, err := in.commands[0].Text("reason"); err == nil {
		return publishable(reason, nil), true
	}
	return "", true // it states several
}
