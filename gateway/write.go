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
	HeaderOperationID      = "Operation-Id"
	HeaderOperationOutcome = "Operation-Outcome"
	HeaderIdempotencyKey   = "Idempotency-Key"
	HeaderReplayed         = "Idempotency-Replayed"
	headerPrefer           = "Prefer"
	headerPreferApplied    = "Preference-Applied"

	dryRunPreference = "dry-run"
	dryRunParameter  = "dry_run"
)

// change handles a write, from its body to the response with its outcome.
func (g *Gateway) change(ctx context.Context, c echo.Context, a admitted) error {
	route, target := a.route, a.target
	body, err := readBody(c, g.options.MaxBodyBytes)
	if err != nil {
		return err
	}
	prefs, problems := preferencesOf(c.Request(), a.described)
	draft, err := decodeChange(route, target, body, g.pathProblems(route, target), problems)
	if err != nil {
		return err
	}
	draft.IfMatch = prefs.ifMatch
	ctx = g.forCaller(ctx, a.who, !prefs.dryRun)
	infoOf(c).entries = translate.Given(draft.Entries)
	if prefs.dryRun {
		return g.dryRun(ctx, c, route, draft, prefs)
	}
	op := operationOf(c, route, draft)
	if prefs.key != "" {
		op.Key, op.Fingerprint = prefs.key, fingerprint(target, body, c.Request().Header[headerIfMatch])
	}
	op, failure, err := g.write(ctx, c, route, draft, op)
	if err != nil {
		return err
	}
	return g.respond(c, route, op, failure)
}

// write carries out an operation, or returns that of the first request with the same
// key. failure is the platform's reason for the outcome, nil if none is known. An
// error is the response to a write that was not sent.
func (g *Gateway) write(ctx context.Context, c echo.Context, route Route, draft *translate.Draft, op operation.Operation) (_ operation.Operation, failure *errcode.Error, err error) {
	if ctx.Err() != nil { // otherwise the journal would fail for it, and be blamed
		return op, nil, checkFailure(context.Cause(ctx))
	}
	write, err := g.options.Operations.Begin(ctx, op)
	if used, ok := errors.AsType[*operation.KeyUsedError](err); ok {
		return g.replay(ctx, c, op.Fingerprint, used.Operation)
	}
	if err != nil {
		return op, nil, g.beginError(ctx, op, err)
	}
	defer write.Close()
	plan, err := route.Change.Plan(ctx, draft)
	if err != nil {
		return op, nil, checkFailure(err)
	}
	return g.send(ctx, c, write, plan)
}

// decodeChange decodes the body of a write. Its error names the problems of the path,
// of the body, and of the rest of the request, in this order.
func decodeChange(route Route, target scope.Target, body []byte, ofPath, ofRest []errcode.Problem) (*translate.Draft, error) {
	draft, err := route.Change.Decode(target, body)
	if known := slices.Concat(ofPath, ofRest); err == nil && len(known) > 0 {
		return nil, errcode.Invalid(errcode.InvalidParameters, known...)
	}
	if err == nil {
		return draft, nil
	}
	failure := errcode.Of(err)
	failure.Problems = slices.Concat(ofPath, failure.Problems, ofRest)
	if len(body) == 0 && route.ByPost != "" && failure.Code == errcode.BadMediaType {
		failure.Message += " Where the body of a DELETE is lost on its way, send it with POST to the same path followed by " + route.ByPost + "."
	}
	return nil, failure
}

// fingerprint returns a digest of what makes two requests with one idempotency key the
// same: the target, the body without the blanks between its tokens, and the condition.
// A user id and a condition are part of it only if they are given: journals hold
// fingerprints from before there were such requests, and those must stay valid.
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
		_, _ = fmt.Fprintf(sum, "%d:%s", len(part), part) // a hash returns no error
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// operationOf returns a new operation for a request. Its id is made only now, after
// the body has arrived, because ids must be in the order in which operations begin.
func operationOf(c echo.Context, route Route, draft *translate.Draft) operation.Operation {
	id := operation.NewID()
	c.Response().Header().Set(HeaderOperationID, id)
	return operation.Operation{
		ID:      id,
		Caller:  callerOf(c),
		Route:   route.Name,
		Target:  draft.Target,
		Entries: recordedEntries(draft.Entries),
		Claims:  recordedClaims(draft.Claims),
	}
}

// callerOf returns who makes a request, and from which address.
func callerOf(c echo.Context) operation.Caller {
	r := infoOf(c)
	return operation.Caller{
		Name:      r.principal.Name,
		Client:    r.principal.Method == auth.MethodBasic || r.principal.Method == auth.MethodAPIKey,
		Level:     r.principal.Level.String(),
		Method:    string(r.principal.Method),
		ClientIP:  addressText(r.clientIP),
		RequestID: r.requestID,
	}
}

// beginWrite sets the response headers of a write of which nothing is done: its id and
// its outcome. A dry run has none, since it makes no operation.
func beginWrite(c echo.Context, described translate.Description) {
	if prefs, _ := preferencesOf(c.Request(), described); prefs.dryRun {
		return
	}
	c.Response().Header().Set(HeaderOperationID, operation.NewID())
	setOutcome(c, operation.NotDone)
}

func setOutcome(c echo.Context, outcome operation.State) {
	c.Response().Header().Set(HeaderOperationOutcome, string(outcome))
}
