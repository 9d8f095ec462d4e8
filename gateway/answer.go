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

// answer is what a caller gets of a write that has an outcome: of its entries, where
// the row reports them and one was changed, and else of the whole.
func (g *Gateway) answer(c echo.Context, e Route, op operation.Operation, failure *errcode.Error) error {
	reporter, reports := e.Change.(translate.Reporter)
	if reports && (op.State == operation.Done || slices.ContainsFunc(op.Entries, isChanged)) {
		recordOf(c).undone = failure
		return g.report(c, reporter, e.Status, op)
	}
	if err := g.toldOf(op, failure); err != nil {
		return err
	}
	return writeJSON(c, e.Status, struct{}{})
}

// isChanged reports whether an entry is known to be as it is to be, and was not
// before.
func isChanged(e operation.Entry) bool { return e.Step > 0 && e.Outcome == operation.Done }

// report answers with what became of each entry.
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

// toldOf is what a caller is told of a write that was sent: nil where it is
// done. failure is what is known of it beside its state, and may be nil.
func (g *Gateway) toldOf(op operation.Operation, failure *errcode.Error) error {
	told := &errcode.Error{}
	if failure != nil {
		*told = *failure
	}
	switch op.State {
	case operation.Done:
		return nil
	case operation.NotDone:
		if failure == nil || !failure.Code.PromisesNotDone() {
			told.Code, told.Message = errcode.OperationNotDone, ""
		}
	case operation.PartlyDone:
		told.Code, told.Message, told.Operation = errcode.PartlyDone, "", op.ID
		told.Entries = given(op.Entries, operation.NotDone)
	default:
		told.Operation = op.ID
		if failure == nil {
			told.Code = errcode.OutcomeUnknown
		} else if failure.Code.PromisesNotDone() {
			told.Code, told.Message = errcode.PlatformError, "" // it refused, and that is not borne out
		}
		if op.Over() {
			told.Message = releasedMessage
		}
		told.Entries = given(op.Entries, "")
		told.RetryAfter = g.options.Operations.RetryAfter(&op)
	}
	return told
}

// releasedMessage is told of a write that will stay unknown.
const releasedMessage = "What became of this change is not known and will not be found out: an operator has freed its entries. Look at the list."

// given are the entries with that outcome, as the caller wrote them.
func given(entries []operation.Entry, outcome operation.State) []string {
	var named []string
	for _, e := range entries {
		if e.Outcome == outcome {
			named = append(named, e.Given)
		}
	}
	return named
}

// remembered is what a caller was told of a refused write, as it is kept with
// the operation.
type remembered struct {
	Code     string             `json:"code"`
	Message  string             `json:"message,omitempty"`
	Entries  []string           `json:"entries,omitempty"`
	Platform []errcode.Platform `json:"platform,omitempty"`
}

// remember keeps an error that says that nothing was done.
func remember(told *errcode.Error) json.RawMessage {
	if told == nil || !told.Code.PromisesNotDone() {
		return nil
	}
	kept, err := json.Marshal(remembered{told.Code.Name, told.Message, told.Entries, told.Platform})
	if err != nil {
		return nil // cannot be: there is nothing in it that JSON cannot hold
	}
	return kept
}

// recall is the error that was kept, or nil.
func recall(kept json.RawMessage) (*errcode.Error, error) {
	if len(kept) == 0 {
		return nil, nil //nolint:nilnil // no error was told
	}
	var r remembered
	if err := json.Unmarshal(kept, &r); err != nil {
		return nil, fmt.Errorf("gateway: the answer that was kept: %w", err)
	}
	code, ok := errcode.ByName(r.Code)
	if !ok {
		return nil, fmt.Errorf("gateway: the answer that was kept has the unknown name %q", r.Code)
	}
	return &errcode.Error{Code: code, Message: r.Message, Entries: r.Entries, Platform: r.Platform}, nil
}
