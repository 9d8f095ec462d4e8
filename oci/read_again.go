package oci

import (
	"context"
	"slices"
	"time"
)

// refusedForForm reports whether replies may be due to the form of a document, and
// not to its content: one refusal of a complete document, or a validation error.
func refusedForForm(replies []Reply) bool {
	return slices.ContainsFunc(replies, func(r Reply) bool { return r.ofDocument || r.isValidationError() })
}

// isValidationError reports whether the reply is a validation error.
func (r Reply) isValidationError() bool {
	return r.failure != nil && r.failure.isValidationError()
}

// readAgain sends again, over the same session, what the platform refused for its
// form:
//
//   - the commands of a document that was refused as one, in a document each, so that
//     one does not fail the others;
//   - all commands, without the tracking id, if the platform may not support it;
//   - each command that the platform does not support, in the next form that it may
//     support.
//
// document is what was sent, reads are the commands in their first forms, and replies
// are the replies to them. The endpoint's dialect records what the replies show. A
// platform that validates a document before it runs it refuses in this way.
func readAgain(ctx context.Context, s *session, document outgoing, reads []Command, replies []Reply) ([]Reply, error) {
	again := &repetition{session: s, dialect: s.endpoint.dialect, sent: slices.Clone(document.commands), replies: slices.Clone(replies)}
	tracking := trackingFeature.forms[0].name
	unproven := document.trackingID != "" && !again.dialect.hasAnswered(tracking)
	again.tracked = document.trackingID != "" && !unproven
	allInvalid := !slices.ContainsFunc(replies, func(r Reply) bool { return !r.isValidationError() })
	if replies[0].ofDocument || unproven && allInvalid {
		for i, command := range again.sent {
			if err := again.send(ctx, i, command); err != nil {
				return nil, err
			}
		}
		if unproven && allInvalid && !refusedForForm(again.replies) {
			again.dialect.noteUnsupported(tracking)
		}
	}
	for i, r := range again.replies {
		if !r.isValidationError() {
			again.dialect.noteAnswered(again.sent[i].Name())
			continue
		}
		if err := again.sendOlderForms(ctx, i, reads[i]); err != nil { //nolint:gosec // there is a reply for each read
			return nil, err
		}
	}
	return again.replies, nil
}

// repetition is a document of reads that is sent again, command by command.
type repetition struct {
	session *session
	dialect *dialect
	tracked bool // the platform supports tracking ids
	sent    []Command
	replies []Reply
}

// send sends command i of the document alone, in a given form.
func (r *repetition) send(ctx context.Context, i int, command Command) error {
	s, began := r.session, time.Now()
	commands := []Command{command}
	document := s.bareDocument(commands)
	if r.tracked {
		document = s.document(ctx, commands)
	}
	replies, err := s.exchangeDocument(ctx, document)
	s.endpoint.live.Load().Trace.commandsDone(s.endpoint.Name, commands, time.Since(began), replies, err)
	if err != nil {
		return s.endpoint.lostRead(commands, err)
	}
	r.sent[i], r.replies[i] = command, replies[0]
	return nil
}

// sendOlderForms sends command i, which got a validation error, in its remaining forms.
// Only a reply to another form proves that the release is the cause, and not the
// content of the command. The reply to a command without another form says that it is
// not supported.
func (r *repetition) sendOlderForms(ctx context.Context, i int, first Command) error {
	f, refused := features[first.Name()], r.replies[i]
	if f == nil || r.dialect.hasAnswered(r.sent[i].Name()) {
		return nil
	}
	unknown := []string{r.sent[i].Name()}
	for _, form := range r.dialect.formsAfter(f, unknown[0]) {
		if err := r.send(ctx, i, form.of(first)); err != nil {
			return err
		}
		if !r.replies[i].isValidationError() {
			r.dialect.noteUnsupported(unknown...)
			r.dialect.noteAnswered(form.name)
			return nil
		}
		unknown = append(unknown, form.name)
	}
	r.replies[i] = refused
	if len(f.forms) == 1 {
		r.dialect.noteInvalid(f, commandKey(first))
		r.replies[i].unsupported = r.session.endpoint.unsupported(f, refused.failure)
	}
	return nil
}
