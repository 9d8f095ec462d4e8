package oci

import (
	"context"
	"slices"
	"time"
)

// refusedForForm reports whether answers may be due to the form of what was
// sent, and not to what it says: one refusal of a whole document, or a
// validation error.
func refusedForForm(replies []Reply) bool {
	return slices.ContainsFunc(replies, func(r Reply) bool { return r.whole || r.isValidationError() })
}

func (r Reply) isValidationError() bool {
	return r.failure != nil && r.failure.isValidationError()
}

// askAgain asks once more, over the same session, what the platform refused for
// its form:
//
//   - the commands of a document that was refused as a whole, in a document
//     each, so that one does not fail the others;
//   - all commands, without the tracking id, where the platform may not know
//     that;
//   - each command that it does not know, in the next form that it may know.
//
// document is what was sent, reads are the commands in their first forms, and
// replies the answers to them. What is learned of the platform is remembered
// with the endpoint. A platform that validates a document before it runs it
// refuses in this way.
func (c *Client) askAgain(ctx context.Context, s *session, document outgoing, reads []Command, replies []Reply) ([]Reply, error) {
	again := &repetition{client: c, session: s, dialect: s.endpoint.dialect, sent: slices.Clone(document.commands), replies: slices.Clone(replies)}
	tracking := trackingFeature.forms[0].name
	doubtful := document.trackingID != "" && !again.dialect.hasAnswered(tracking)
	again.tracked = document.trackingID != "" && !doubtful
	allInvalid := !slices.ContainsFunc(replies, func(r Reply) bool { return !r.isValidationError() })
	if replies[0].whole || doubtful && allInvalid {
		for i, command := range again.sent {
			if err := again.ask(ctx, i, command); err != nil {
				return nil, err
			}
		}
		if doubtful && allInvalid && !refusedForForm(again.replies) {
			again.dialect.refuse(tracking)
		}
	}
	for i, r := range again.replies {
		if !r.isValidationError() {
			again.dialect.noteAnswered(again.sent[i].Name())
			continue
		}
		if err := again.inOlderForm(ctx, i, reads[i]); err != nil {
			return nil, err
		}
	}
	return again.replies, nil
}

// repetition is a document of reads that is asked again, command by command.
type repetition struct {
	client  *Client
	session *session
	dialect *dialect
	tracked bool // the platform takes tracking ids
	sent    []Command
	replies []Reply
}

// ask sends the command at a place of the document alone.
func (r *repetition) ask(ctx context.Context, i int, command Command) error {
	s, began := r.session, time.Now()
	commands := []Command{command}
	document := s.bareDocument(commands)
	if r.tracked {
		document = s.document(ctx, commands)
	}
	replies, err := s.exchangeDocument(ctx, document)
	r.client.options.Trace.commandsDone(s.endpoint.Name, commands, time.Since(began), replies, err)
	if err != nil {
		return s.endpoint.lostRead(commands, err)
	}
	r.sent[i], r.replies[i] = command, replies[0]
	return nil
}

// inOlderForm asks what got a validation error in the forms that are left. Only
// an answer to another form proves that the release is to blame, and not what
// the command says. Of a feature that has no other form, the reply says that it
// is not supported.
func (r *repetition) inOlderForm(ctx context.Context, i int, asked Command) error {
	f, refused := features[asked.Name()], r.replies[i]
	if f == nil || r.dialect.hasAnswered(r.sent[i].Name()) {
		return nil
	}
	unknown := []string{r.sent[i].Name()}
	for _, form := range r.dialect.formsAfter(f, unknown[0]) {
		if err := r.ask(ctx, i, form.of(asked)); err != nil {
			return err
		}
		if !r.replies[i].isValidationError() {
			r.dialect.refuse(unknown...)
			r.dialect.noteAnswered(form.name)
			return nil
		}
		unknown = append(unknown, form.name)
	}
	r.replies[i] = refused
	if len(f.forms) == 1 {
		r.dialect.wasOdd(f, commandKey(asked))
		r.replies[i].unsupported = r.session.endpoint.unsupported(f, refused.failure)
	}
	return nil
}
