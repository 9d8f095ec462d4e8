package gateway

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"

	"github.com/labstack/echo/v4"

	"ocigate/gateway/operation"
	"ocigate/translate"
	"ocigate/translate/errcode"
)

// respond writes the response to a write that has an outcome. If the route reports
// entries and one was changed, the response has the outcome of each entry, and else
// that of the operation.
func (g *Gateway) respond(c echo.Context, route Route, op operation.Operation, failure *errcode.Error) error {
	reporter, reports := route.Change.(translate.Reporter)
	if reports && (op.State == operation.Done || slices.ContainsFunc(op.Entries, isChanged)) {
		infoOf(c).reported = failure
		return g.report(c, reporter, route.Status, op)
	}
	if err := g.outcomeError(op, failure); err != nil {
		return err
	}
	return writeJSON(c, route.Status, struct{}{})
}

// isChanged reports whether the write is known to have changed the entry.
func isChanged(e operation.Entry) bool { return e.Step > 0 && e.Outcome == operation.Done }

// report writes the outcome of each entry. Its status is done if all are done, and
// 207 otherwise.
func (g *Gateway) report(c echo.Context, reporter translate.Reporter, done int, op operation.Operation) error {
	status := done
	if op.State != operation.Done {
		status = http.StatusMultiStatus
		if wait := g.options.Operations.RetryAfter(&op); wait > 0 {
			c.Response().Header().Set(echo.HeaderRetryAfter, seconds(wait))
		}
	}
	results := make([]translate.Result, len(op.Entries))
	for i, e := range op.Entries {
		results[i] = resultOf(e)
	}
	return g.writeBody(c, status, reporter.Report(plannedEntries(op.Entries), results))
}

func resultOf(e operation.Entry) translate.Result {
	switch e.Outcome {
	case operation.Done:
		return translate.Done
	case operation.NotDone:
		return translate.NotDone
	}
	return translate.Unknown
}

// outcomeError returns the error for a write that was sent, or nil if it is done.
// failure is the platform's reason for the outcome, nil if none is known.
func (g *Gateway) outcomeError(op operation.Operation, failure *errcode.Error) error {
	result := &errcode.Error{}
	if failure != nil {
		*result = *failure
	}
	switch op.State {
	case operation.Done:
		return nil
	case operation.NotDone:
		if failure == nil || !failure.Code.PromisesNotDone() {
			result.Code, result.Message = errcode.OperationNotDone, ""
		}
	case operation.PartlyDone:
		result.Code, result.Message, result.Operation = errcode.PartlyDone, "", op.ID
		result.Entries = givenWith(op.Entries, operation.NotDone)
	default:
		result.Operation = op.ID
		if failure == nil {
			result.Code = errcode.OutcomeUnknown
		} else if failure.Code.PromisesNotDone() {
			result.Code, result.Message = errcode.PlatformError, "" // the platform refused, but its state does not confirm that
		}
		if op.Over() {
			result.Message = releasedMessage
		}
		result.Entries = givenWith(op.Entries, "")
		result.RetryAfter = g.options.Operations.RetryAfter(&op)
	}
	return result
}

// releasedMessage is the message for a write that will stay unknown.
const releasedMessage = "What became of this change is not known and will not be found out: an operator has freed its entries. Look at the list."

// givenWith returns the entries with that outcome, in the caller's spelling.
func givenWith(entries []operation.Entry, outcome operation.State) []string {
	var given []string
	for _, e := range entries {
		if e.Outcome == outcome {
			given = append(given, e.Given)
		}
	}
	return given
}

// storedError is the error response of a refused write, as the operation's record
// holds it.
type storedError struct {
	Code     string             `json:"code"`
	Message  string             `json:"message,omitempty"`
	Entries  []string           `json:"entries,omitempty"`
	Platform []errcode.Platform `json:"platform,omitempty"`
}

// encodeError returns the stored form of an error that promises that nothing was
// done, and nil for any other error and for none.
func encodeError(failure *errcode.Error) json.RawMessage {
	if failure == nil || !failure.Code.PromisesNotDone() {
		return nil
	}
	stored, err := json.Marshal(storedError{failure.Code.Name, failure.Message, failure.Entries, failure.Platform})
	if err != nil {
		return nil // cannot happen: JSON can hold all its fields
	}
	return stored
}

// decodeError returns the error that encodeError has stored, or nil for none.
func decodeError(stored json.RawMessage) (*errcode.Error, error) {
	if len(stored) == 0 {
		return nil, nil //nolint:nilnil // no error was stored
	}
	var s storedError
	if err := json.Unmarshal(stored, &s); err != nil {
		return nil, fmt.Errorf("gateway: the stored response: %w", err)
	}
	code, ok := errcode.ByName(s.Code)
	if !ok {
		return nil, fmt.Errorf("gateway: the stored response has the unknown error name %q", s.Code)
	}
	return &errcode.Error{Code: code, Message: s.Message, Entries: s.Entries, Platform: s.Platform}, nil
}
