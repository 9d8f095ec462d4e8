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
	sessionID  string
	trackingID string // none where empty
	commands   []answer
}

// answer is one command of an incoming document.
type answer struct {
	Reply
	echo string // none where empty
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
	if protocol := s.tag.attribute("protocol"); string(protocol) != "OCI" {
		return protocolError("the document's protocol is %.32q", protocol)
	}
	s.keepHead()
	return nil
}

// part reads a child of the root that was just opened.
func (s *scanner) part(in *incoming) (err error) {
	switch string(s.tag.local) {
	case "sessionId":
		in.sessionID, err = s.id()
	case "trackingId":
		in.trackingID, err = s.id()
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
func (s *scanner) id() (string, error) {
	var opened bool
	var err error
	s.text, opened, err = s.content(s.text[:0], maxID)
	if opened && err == nil {
		return "", protocolError("element %s stands where text should", s.tag.name)
	}
	return string(bytes.Trim(s.text, blanks)), err
}

// answer reads a command that was just opened.
func (s *scanner) answer() (answer, error) {
	name, err := s.commandType()
	if err != nil {
		return answer{}, err
	}
	a := answer{Reply: Reply{name: name}, echo: string(s.tag.attribute("echo"))}
	severity := string(s.tag.attribute("type"))
	s.nodes = s.nodes[:0]
	err = s.children(func() error {
		n, err := s.node(name == errorResponse)
		if err == nil {
			err = s.used.element(&n)
		}
		if len(s.nodes) == cap(s.nodes) {
			s.nodes = slices.Grow(s.nodes, max(minNodes, len(s.nodes))) // append would come to more garbage
		}
		s.nodes = append(s.nodes, n)
		return err
	})
	a.children = slices.Clone(s.nodes)
	clear(s.nodes) // what they hold is the reply's alone
	if name == errorResponse {
		a.failure = a.errorReply(severity)
	}
	return a, err
}

// commandType resolves the xsi:type of the element that was just opened.
// Success and error are types of namespace C, all others are in none.
func (s *scanner) commandType() (string, error) {
	for _, a := range s.tag.attributes {
		prefix, local := splitName(a.name)
		if string(local) != "type" || len(prefix) == 0 || s.namespaceOf(prefix) != spaceXSI {
			continue
		}
		value := bytes.Trim(s.tag.value(a), blanks)
		prefix, name := splitName(value)
		if len(value) == 0 || nameLength(value) != len(value) || len(prefix) > 0 && s.namespaceOf(prefix) != spaceC {
			return "", protocolError("a command is of type %.32q, which OCI-P does not have", value)
		}
		return s.term(name), nil
	}
	return "", protocolError("a command has no xsi:type")
}

// node reads an element of a command that was just opened. A text of a refusal
// that is too long is cut.
func (s *scanner) node(ofRefusal bool) (node, error) {
	n := node{name: s.term(s.tag.local)}
	length := maxText
	if ofRefusal {
		length = maxRefusalText
	}
	var opened bool
	var err error
	s.cut = ofRefusal
	s.text, opened, err = s.content(s.text[:0], length)
	s.cut = false
	switch {
	case err != nil:
		return node{}, err
	case !opened:
		n.text = string(s.text)
		return n, nil
	case !isBlank(s.text), ofRefusal && len(s.text) >= length:
		return node{}, errMixed
	case string(s.tag.local) == headingElement:
		if err := s.used.table(); err != nil {
			return node{}, err
		}
		n.table, err = s.table()
		return n, err
	}
	// Nothing that we read has structure but tables, so the rest only has to
	// be in order.
	for opened {
		if err := s.skip(); err != nil {
			return node{}, err
		}
		if opened, err = s.child(); err != nil {
			return node{}, err
		}
	}
	return n, nil
}

// skip reads an element that was just opened and all that is inside, and keeps
// nothing of it.
func (s *scanner) skip() error {
	outside := len(s.open) - 1
	leaf := true // the open element has no children so far
	for len(s.open) > outside {
		var opened bool
		var err error
		s.text, opened, err = s.content(s.text[:0], maxText)
		if err != nil {
			return err
		}
		if (opened || !leaf) && !isBlank(s.text) {
			return errMixed
		}
		leaf = opened
	}
	return nil
}

func (r Reply) errorReply(severity string) *ErrorReply {
	e := &ErrorReply{Severity: Severity(severity)}
	if severity == "" {
		e.Severity = SeverityError
	}
	for _, text := range []struct {
		element string
		into    *string
	}{{"summary", &e.Summary}, {"summaryEnglish", &e.SummaryEnglish}, {"detail", &e.Detail}} {
		said, _ := r.Text(text.element)
		*text.into = withoutSecrets(said)
	}
	code, _ := r.Text("errorCode")
	var err error
	if e.Number, err = strconv.Atoi(strings.TrimSpace(code)); err != nil {
		e.Number = numberOfSummary(e.Summary)
	}
	return e
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
	if in.sessionID != o.sessionID {
		return nil, protocolError("the answer belongs to another session")
	}
	if in.trackingID != "" && in.trackingID != o.trackingID {
		return nil, protocolError("the answer has another tracking id")
	}
	if in.refusesWhole(o) {
		return refusedWhole(in.commands[0], o)
	}
	if len(in.commands) != len(o.commands) {
		return nil, protocolError("%d commands got %d answers", len(o.commands), len(in.commands))
	}
	replies := make([]Reply, len(in.commands))
	for i, a := range in.commands {
		asked := o.commands[i].Name()
		if a.echo != "" && (len(o.echoes) == 0 || a.echo != o.echoes[i]) {
			return nil, protocolError("the answer to %s has another echo", asked)
		}
		switch a.name {
		case errorResponse:
			a.refuse(o.commands[i])
		case successResponse, responseName(asked):
		default:
			return nil, protocolError("%s was answered with %s", asked, a.name)
		}
		replies[i] = a.Reply
	}
	return replies, nil
}

// refusesWhole reports whether the document is one refusal of several commands.
func (in incoming) refusesWhole(o outgoing) bool {
	return len(o.commands) > 1 && len(in.commands) == 1 &&
		in.commands[0].failure != nil && in.commands[0].failure.Severity == SeverityError
}

// refusedWhole returns the refusal of a document as the answer to each of its
// commands.
func refusedWhole(a answer, o outgoing) ([]Reply, error) {
	if a.echo != "" && !slices.Contains(o.echoes, a.echo) {
		return nil, protocolError("the refusal of the document has another echo")
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
	reason, _ = in.commands[0].Text("reason")
	return withoutSecrets(reason), true
}
