package gateway

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/labstack/echo/v4"

	"ocigate/gateway/auth"
	"ocigate/gateway/operation"
	"ocigate/translate"
	"ocigate/translate/errcode"
	"ocigate/translate/scope"
)

// The headers of a write.
const (
	headerOperationID      = "Operation-Id"
	headerOperationOutcome = "Operation-Outcome"
	headerIdempotencyKey   = "Idempotency-Key"
	headerReplayed         = "Idempotency-Replayed"
	headerPrefer           = "Prefer"
	headerPreferApplied    = "Preference-Applied"

	dryRunPreference = "dry-run"
	dryRunParameter  = "dry_run"
)

// change is the journey of a write, from its body to the truth about it.
func (g *Gateway) change(ctx context.Context, c echo.Context, e Route, target scope.Target, described translate.Description) error {
	body, err := readBody(c, g.options.MaxBodyBytes)
	if err != nil {
		return err
	}
	asked, problems := preferencesOf(c.Request(), described)
	draft, err := decodeChange(e, target, body, g.pathProblems(e, target), problems)
	if err != nil {
		return err
	}
	draft.IfMatch = asked.ifMatch
	recordOf(c).entries = translate.Given(draft.Entries)
	if asked.dryRun {
		return g.rehearse(ctx, c, e, draft, asked)
	}
	op := operationOf(c, e, draft)
	if asked.key != "" {
		op.Key, op.Fingerprint = asked.key, fingerprint(target, body, c.Request().Header[headerIfMatch])
	}
	op, failure, err := g.write(ctx, c, e, draft, op)
	if err != nil {
		return err
	}
	return g.answer(c, e, op, failure)
}

// write takes an operation to an outcome, or finds that of the first request with
// the same key. failure is what is known of it beside its state, and may be nil. An
// error is the answer of a write that was not sent.
func (g *Gateway) write(ctx context.Context, c echo.Context, e Route, draft *translate.Draft, op operation.Operation) (_ operation.Operation, failure *errcode.Error, err error) {
	write, err := g.options.Operations.Begin(ctx, op)
	if used, ok := errors.AsType[*operation.KeyUsedError](err); ok {
		return g.replay(ctx, c, op.Fingerprint, used.Operation)
	}
	if err != nil {
		return op, nil, g.notBegun(ctx, op, err)
	}
	defer write.Close()
	plan, err := e.Change.Plan(ctx, draft)
	if err != nil {
		return op, nil, checkFailure(err)
	}
	return g.send(ctx, c, write, plan)
}

// decodeChange has the change decode its body. The error names the problems of
// the path, of the body, and of the rest of the request, in this order.
func decodeChange(e Route, target scope.Target, body []byte, ofPath, ofRest []errcode.Problem) (*translate.Draft, error) {
	draft, err := e.Change.Decode(target, body)
	if known := slices.Concat(ofPath, ofRest); err == nil && len(known) > 0 {
		return nil, errcode.Invalid(errcode.InvalidParameters, known...)
	}
	if err == nil {
		return draft, nil
	}
	told := errcode.Of(err)
	told.Problems = slices.Concat(ofPath, told.Problems, ofRest)
	if len(body) == 0 && e.ByPost != "" && told.Code == errcode.BadMediaType {
		told.Message += " Where the body of a DELETE is lost on its way, send it with POST to the same path followed by " + e.ByPost + "."
	}
	return nil, told
}

// fingerprint is what an idempotency key stands for: the target, the body, but for
// blanks between its parts, and the condition. A user id and a condition take part
// where there is one, so that other fingerprints stay as they were.
func fingerprint(target scope.Target, body []byte, condition []string) string {
	var compact bytes.Buffer
	if err := json.Compact(&compact, body); err != nil {
		compact.Reset()
		compact.Write(body)
	}
	sum := sha256.New()
	parts := [][]byte{[]byte(target.TenantID), []byte(target.GroupID), compact.Bytes()}
	if target.UserID != "" {
		parts = slices.Insert(parts, 2, []byte(target.UserID))
	}
	for _, value := range condition {
		parts = append(parts, []byte(headerIfMatch+": "+value))
	}
	for _, part := range parts {
		_, _ = fmt.Fprintf(sum, "%d:%s", len(part), part) // a hash takes everything
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// operationOf is the operation that a request asks for. It gets its id only now:
// a body takes its time to arrive, and ids must have the order in which
// operations are begun.
func operationOf(c echo.Context, e Route, draft *translate.Draft) operation.Operation {
	id := operation.NewID()
	c.Response().Header().Set(headerOperationID, id)
	return operation.Operation{
		ID:       id,
		Caller:   callerOf(c),
		Route: e.Name,
		Target:   draft.Target,
		Entries:  recordedEntries(draft.Entries),
		Claims:   recordedClaims(draft.Claims),
	}
}

// callerOf is who makes a request, and from where.
func callerOf(c echo.Context) operation.Caller {
	r := recordOf(c)
	return operation.Caller{
		Name:      r.principal.Name,
		Client:    r.principal.Method == auth.MethodBasic || r.principal.Method == auth.MethodAPIKey,
		Level:     r.principal.Level.String(),
		Method:    string(r.principal.Method),
		ClientIP:  addressText(r.clientIP),
		RequestID: r.requestID,
	}
}

// beginWrite gives a write its id, and says that nothing was done yet. A dry
// run is no operation.
func beginWrite(c echo.Context, described translate.Description) {
	if asked, _ := preferencesOf(c.Request(), described); asked.dryRun {
		return
	}
	c.Response().Header().Set(headerOperationID, operation.NewID())
	setOutcome(c, operation.NotDone)
}

func setOutcome(c echo.Context, outcome operation.State) {
	c.Response().Header().Set(headerOperationOutcome, string(outcome))
}
