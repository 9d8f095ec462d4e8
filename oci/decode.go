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
	commands   []incomingReply
}

// stated is an optional text of a document, which may be empty.
type stated struct {
	text    string
	present bool
}

// differs reports whether the text is present and is another one. Some releases leave
// it out.
func (s stated) differs(from string) bool { return s.present && s.text != from }

// incomingReply is one command of an incoming document.
type incomingReply struct {
	Reply
	echo stated
}

// ParseReplies returns the replies in a document of the platform. It reads the document
// like a session, except that it does not check whether it matches a request. Errors
// are of type [*ProtocolError] or [*ReplyLimitError].
func ParseReplies(document []byte) ([]Reply, error) {
	stream := newScanner(bytes.NewReader(document), len(document)+1) // + 1: a cut document must not exceed the limit
	in, err := stream.document()
	if _, refused := whyRefused(err); refused {
		return nil, err
	}
	if err != nil {
		return nil, protocolError("the document is not complete: %v", err)
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

// document reads one complete document.
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

// root reads the start tag of the root of a document.
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

// part reads a child of the root, after its start tag.
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
		var r incomingReply
		r, err = s.reply()
		in.commands = append(in.commands, r)
	default:
		return protocolError("the document holds an element %.32s", s.tag.local)
	}
	return err
}

// id reads an element that holds only text, without the blanks at its ends.
func (s *scanner) id(into *stated) (err error) {
	if into.present {
		return twice("the document has element %s twice", s.tag.name)
	}
	var opened bool
	s.text, opened, err = s.content(s.text[:0], maxID)
	if opened && err == nil {
		return protocolError("element %s is in an element that must hold only text", s.tag.name)
	}
	*into = stated{string(bytes.Trim(s.text, blanks)), true}
	return err
}

// reply reads a command, after its start tag.
func (s *scanner) reply() (incomingReply, error) {
	name, err := s.commandType()
	if err != nil {
		return incomingReply{}, err
	}
	r := incomingReply{Reply: Reply{name: name}, echo: s.tag.stated("echo")}
	severity := s.tag.stated("type")
	s.nodes = s.nodes[:0]
	err = s.children(func() error { return s.node(name == errorResponse) })
	r.children = slices.Clone(s.nodes)
	clear(s.nodes) // so that their memory is freed with the reply
	if name == errorResponse && err == nil {
		r.failure, err = r.errorReply(severity)
	}
	return r, err
}

// commandType returns the xsi:type of the element whose start tag was just read, without
// its prefix. SuccessResponse and ErrorResponse are types of namespace C, all others are
// in none. A type without a prefix is in the default namespace.
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

// node reads an element of a command, after its start tag, and the elements in it. A
// text of a refusal that is too long is cut. It calls itself, at most maxDepth deep.
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
	n := &s.nodes[at] // valid until another node is added
	switch {
	case err != nil:
		return err
	case n.isNil && (opened || !isBlank(s.text)):
		return protocolError("element %.32s is nil but not empty", n.name)
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
	return s.nodesBelow(at, ofRefusal)
}

// nodesBelow reads the elements in that node, after the start tag of the first one.
func (s *scanner) nodesBelow(at int, ofRefusal bool) error {
	for opened := true; opened; {
		if err := s.node(ofRefusal); err != nil {
			return err
		}
		var err error
		if opened, err = s.child(); err != nil {
			return err
		}
	}
	s.nodes[at].below = uint32(len(s.nodes) - at - 1) //nolint:gosec // see maxElements
	return nil
}

// addNode adds the element whose start tag was just read to those of the command.
func (s *scanner) addNode() error {
	if err := s.used.element(); err != nil {
		return err
	}
	isNil, err := s.isNil()
	if err != nil {
		return err
	}
	if len(s.nodes) == cap(s.nodes) { // append and slices.Grow would allocate more
		s.nodes = append(make(nodes, 0, max(minNodes, 2*len(s.nodes))), s.nodes...)
	}
	s.nodes = append(s.nodes, node{name: s.term(s.tag.local), isNil: isNil})
	return nil
}

// isNil reports whether the element whose start tag was just read is marked as nil.
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
		return false, protocolError("element %.32s is marked as nil by a value that is not a boolean", s.tag.local)
	}
	return false, nil
}

// errorReply returns the refusal as it was received, with its secrets and at its
// complete length: see [ErrorReply.publish].
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
		received, _, err := r.Text(text.element)
		if err != nil {
			return nil, err
		}
		*text.into = received
	}
	var err error
	if e.Number, err = strconv.Atoi(strings.TrimSpace(code)); err != nil {
		e.Number = numberOfSummary(e.Summary)
	}
	return e, nil
}

// responseName returns the type of the reply to a command that returns data.
func responseName(command string) string {
	i := strings.LastIndex(command, "Request")
	if i < 0 {
		return command
	}
	return command[:i] + "Response" + command[i+len("Request"):]
}

// match checks that the document is the reply to o: the same session id, the same
// tracking id and echoes if they are present, and for each command, in order, a reply
// that it can have. One refusal in response to several commands is a refusal of the
// complete document: nothing of it was done.
func (in incoming) match(o outgoing) ([]Reply, error) {
	if in.sessionID.text != o.sessionID {
		return nil, foreign("the reply belongs to another session")
	}
	if in.trackingID.differs(o.trackingID) {
		return nil, foreign("the reply has another tracking id")
	}
	if in.refusesDocument(o) {
		return refusedDocument(in.commands[0], o)
	}
	if len(in.commands) != len(o.commands) {
		return nil, refusedAs(RefusedMismatch, "%d commands got %d replies", len(o.commands), len(in.commands))
	}
	replies := make([]Reply, len(in.commands))
	for i, r := range in.commands {
		asked := o.commands[i].Name()
		if !r.echoes(o.echo(i)) {
			return nil, foreign("the reply to %s has another echo", asked)
		}
		switch r.name {
		case errorResponse:
			r.refuse(o.commands[i])
		case successResponse, responseName(asked):
		default:
			return nil, refusedAs(RefusedMismatch, "%s was answered with %.64s", asked, r.name)
		}
		replies[i] = r.Reply
	}
	return replies, nil
}

// echoes reports whether the reply may be the one to a command with that echo. An empty
// echo differs from any other, except on a validation error: a platform may refuse a
// document before it has read the echoes.
func (r incomingReply) echoes(sent string) bool {
	return !r.echo.differs(sent) || r.echo.text == "" && r.isValidationError()
}

// refusesDocument reports whether the document is one refusal of several commands.
func (in incoming) refusesDocument(o outgoing) bool {
	return len(o.commands) > 1 && len(in.commands) == 1 &&
		in.commands[0].failure != nil && in.commands[0].failure.Severity == SeverityError
}

// refusedDocument returns the refusal of a document as the reply to each of its
// commands.
func refusedDocument(r incomingReply, o outgoing) ([]Reply, error) {
	if r.echo.text != "" && !slices.Contains(o.echoes, r.echo.text) {
		return nil, foreign("the refusal of the document has another echo")
	}
	replies := make([]Reply, len(o.commands))
	for i, c := range o.commands {
		replies[i] = r.Reply
		replies[i].refuse(c)
		replies[i].ofDocument = true
	}
	return replies, nil
}

// forcedLogout reports whether the document is a forced logout, and its reason.
func (in incoming) forcedLogout() (reason string, ok bool) {
	if len(in.commands) != 1 || in.commands[0].name != "LogoutRequest" {
		return "", false
	}
	if reason, _, err := in.commands[0].Text("reason"); err == nil {
		return publishable(reason, nil), true
	}
	return "", true // there are several reasons
}
