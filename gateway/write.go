package gateway

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"ocigate/gateway/auth"
	"ocigate/gateway/operation"
	"ocigate/oci"
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
func (g *Gateway) change(ctx context.Context, c echo.Context, e Endpoint, target scope.Target) error {
	body, err := readBody(c, g.options.MaxBodyBytes)
	if err != nil {
		return err
	}
	wishes, problems := wishesOf(c.Request())
	draft, err := decodeChange(c.Request(), e, target, body, g.pathProblems(e, target), problems)
	if err != nil {
		return err
	}
	recordOf(c).entries = translate.Given(draft.Entries)
	if wishes.dryRun {
		return g.rehearse(ctx, c, e, draft, wishes)
	}
	op := operationOf(c, e, draft)
	if wishes.key != "" {
		op.Key, op.Fingerprint = wishes.key, fingerprint(target, body)
	}
	if err := g.write(ctx, c, e, draft, op); err != nil {
		return err
	}
	return writeJSON(c, e.Status, struct{}{})
}

// write takes an operation to its end. Without an error it is done.
func (g *Gateway) write(ctx context.Context, c echo.Context, e Endpoint, draft *translate.Draft, op operation.Operation) error {
	write, err := g.options.Operations.Begin(ctx, op)
	if err != nil {
		return g.notBegun(ctx, c, op, err)
	}
	defer write.Leave()
	plan, err := e.Change.Plan(ctx, draft)
	if err != nil {
		return checkFailure(err)
	}
	write.Plan(recordedEntries(plan.Entries))
	return g.send(ctx, c, write, plan)
}

// decodeChange has the change decode its body. The error names the problems of
// the path, of the body, and of the rest of the request, in this order.
func decodeChange(r *http.Request, e Endpoint, target scope.Target, body []byte, ofPath, ofRest []errcode.Problem) (*translate.Draft, error) {
	draft, err := e.Change.Decode(target, body)
	if known := slices.Concat(ofPath, ofRest); err == nil && len(known) > 0 {
		return nil, errcode.Invalid(errcode.InvalidParameters, known...)
	}
	if err == nil {
		return draft, nil
	}
	told := errcode.Of(err)
	told.Problems = slices.Concat(ofPath, told.Problems, ofRest)
	if len(body) == 0 && r.Method == http.MethodDelete && told.Code == errcode.BadMediaType {
		told.Message += " Where the body of a DELETE is lost on its way, send it with POST to the same path followed by remove/."
	}
	return nil, told
}

// onlyStep is the number of the one step that a plan of today has.
const onlyStep = 1

// send has the command of a plan sent, and tells what became of it.
func (g *Gateway) send(ctx context.Context, c echo.Context, write *operation.Write, plan *translate.Plan) error {
	tries := 0
	reply, err := g.options.Writer.Write(ctx, plan.Steps[0].Command, func(node string) error {
		tries++
		err := write.Intend(ctx, onlyStep, node)
		if err == nil {
			// It is on its way from now on, whatever happens here.
			setOutcome(c, operation.Unknown)
		}
		return err
	})
	if oci.NotDone(err) && tries < 2 && !errors.Is(err, oci.ErrNotLoggedIn) {
		write.Unsent(onlyStep)
		setOutcome(c, operation.NotDone)
		return readFailure(err)
	}
	answer, failure := g.judgeReply(plan, reply, err)
	settling, cancel := withoutCaller(ctx)
	defer cancel()
	op := write.Settle(settling, answer, remember(failure))
	setOutcome(c, op.State.Outcome())
	return g.toldOf(op, failure)
}

// judgeReply says what the platform's answer, or its absence, means, and what
// the caller would be told of it.
func (g *Gateway) judgeReply(plan *translate.Plan, reply oci.Reply, err error) (operation.Answer, *errcode.Error) {
	if oci.NotDone(err) {
		// The platform was asked before it came to this. One that refuses
		// everything in the same words, as if the session were not logged in,
		// says so of a write that it has done as well.
		return operation.Declined, unsent(err)
	}
	if err != nil {
		return operation.NoAnswer, errcode.Because(errcode.OutcomeUnknown, err)
	}
	err = g.options.PlatformErrors.WriteResult(plan, plan.Steps[0], reply)
	if err == nil {
		return operation.Succeeded, nil
	}
	failure := errcode.Of(err)
	switch {
	case failure.Code.Status == http.StatusServiceUnavailable:
		// It is not refused for good: the caller is to send the same request
		// again, so its key must be free.
		return operation.Declined, failure
	case failure.Code.PromisesNotDone():
		return operation.Refused, failure
	}
	return operation.Unclear, failure
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

// notBegun is what a caller is told of a write that was not begun.
func (g *Gateway) notBegun(ctx context.Context, c echo.Context, op operation.Operation, err error) error {
	if used, ok := errors.AsType[*operation.KeyUsedError](err); ok {
		return g.replay(ctx, c, op.Fingerprint, used.Operation)
	}
	held, ok := errors.AsType[*operation.HeldError](err)
	switch {
	case !ok && ctx.Err() != nil:
		return checkFailure(context.Cause(ctx))
	case !ok:
		return &errcode.Error{Code: errcode.JournalUnavailable, RetryAfter: shortly, Cause: err}
	}
	told := &errcode.Error{Code: errcode.EntriesHeld, Operation: held.ID, RetryAfter: shortly, Cause: err}
	if holder, err := g.options.Operations.Get(ctx, held.ID); err == nil && !holder.State.Running() {
		told.RetryAfter = max(shortly, g.options.Operations.RetryAfter(&holder))
	}
	for _, e := range op.Entries {
		if slices.Contains(held.Held, e.Claim()) {
			told.Entries = append(told.Entries, e.Given)
		}
	}
	return told
}

// replay answers with the truth about the first request with the same key.
func (g *Gateway) replay(ctx context.Context, c echo.Context, content string, first operation.Operation) error {
	if first.Fingerprint != content {
		return errcode.New(errcode.KeyReused)
	}
	c.Response().Header().Set(headerOperationID, first.ID)
	if first.State == operation.Unknown {
		first = g.options.Operations.Resolve(ctx, first)
	}
	setOutcome(c, first.State.Outcome())
	if first.State.Running() || !first.HoldsKey() { // the key is about to be free
		return &errcode.Error{Code: errcode.RequestRunning, Operation: first.ID, RetryAfter: shortly}
	}
	c.Response().Header().Set(headerReplayed, "true")
	g.options.Metrics.replays.WithLabelValues(first.Endpoint).Inc()
	failure, err := recall(first.Answer)
	if err != nil {
		return err
	}
	return g.toldOf(first, failure)
}

// wishes are what the headers and the query of a write ask for.
type wishes struct {
	key       string // "" for none
	dryRun    bool
	preferred bool // dryRun was asked for by Prefer
}

// maxKeyLength is the longest idempotency key, in characters.
const maxKeyLength = 255

// wishesOf reads what a write asks for, and tells what is wrong with that.
func wishesOf(r *http.Request) (wishes, []errcode.Problem) {
	var w wishes
	params, problems := parametersOf(r, []translate.Param{dryRunParam})
	refuse := func(parameter, reason string) {
		problems = append(problems, errcode.Problem{Parameter: parameter, Reason: reason})
	}
	w.dryRun = params[dryRunParameter] == "true"
	for _, value := range r.Header.Values(headerPrefer) {
		for one := range strings.SplitSeq(value, ",") {
			name, rest := preference(one)
			switch {
			case !strings.EqualFold(name, dryRunPreference):
				if resemblesDryRun(name, one) {
					refuse(headerPrefer, fmt.Sprintf("must ask for a dry run by %s, not by %.40q", dryRunPreference, one))
				}
			case rest == "":
				w.dryRun, w.preferred = true, true
			default:
				refuse(headerPrefer, dryRunPreference+" must have neither a value nor parameters")
			}
		}
	}
	if values, ok := r.Header[headerIdempotencyKey]; ok {
		if w.key = keyOf(values); w.key == "" {
			refuse(headerIdempotencyKey, fmt.Sprintf("must be 1 to %d visible ASCII characters, and stand once", maxKeyLength))
		}
	}
	return w, append(problems, misplaced(r.Header)...)
}

// preference is one preference of a Prefer header: its name, and what follows
// that, be it a value or parameters.
func preference(one string) (name, rest string) {
	one = strings.Trim(one, " \t")
	if i := strings.IndexAny(one, " \t=;"); i >= 0 {
		return one[:i], one[i:]
	}
	return one, ""
}

// keyOf is the idempotency key in the header's values, with or without the
// quotes in which a structured field has it, or empty where it is not valid.
func keyOf(values []string) string {
	if len(values) != 1 {
		return ""
	}
	key := values[0]
	if inner, ok := strings.CutPrefix(key, `"`); ok {
		if key, ok = strings.CutSuffix(inner, `"`); !ok {
			return ""
		}
	}
	if len(key) > maxKeyLength || strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' || r == '"' }) {
		return ""
	}
	return key
}

// fingerprint is what an idempotency key stands for: the target and the body,
// but for blanks between its parts. A user id takes part where there is one, so
// that the fingerprints of other targets stay as they were.
func fingerprint(target scope.Target, body []byte) string {
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
	for _, part := range parts {
		_, _ = fmt.Fprintf(sum, "%d:%s", len(part), part) // a hash takes everything
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// operationOf is the operation that a request asks for. It gets its id only now:
// a body takes its time to arrive, and ids must have the order in which
// operations are begun.
func operationOf(c echo.Context, e Endpoint, draft *translate.Draft) operation.Operation {
	id := operation.NewID()
	c.Response().Header().Set(headerOperationID, id)
	return operation.Operation{
		ID:       id,
		Caller:   callerOf(c),
		Endpoint: e.Name,
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
func beginWrite(c echo.Context) {
	if asked, _ := wishesOf(c.Request()); asked.dryRun {
		return
	}
	c.Response().Header().Set(headerOperationID, operation.NewID())
	setOutcome(c, operation.NotDone)
}

func setOutcome(c echo.Context, outcome operation.State) {
	c.Response().Header().Set(headerOperationOutcome, string(outcome))
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
