package gateway

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"ocigate/gateway/auth"
	"ocigate/gateway/operation"
	"ocigate/translate"
	"ocigate/translate/errcode"
	"ocigate/translate/scope"
)

// A journalHandler handles a route that reads the gateway itself and not the platform:
// the journal of writes, or the table of routes. The caller is authenticated, and their
// level suffices. The handler checks their scope.
type journalHandler func(*Gateway, context.Context, echo.Context, auth.Principal, translate.Params) error

// operationIDParameter is the parameter of the path of an operation.
const operationIDParameter = "operation_id"

func operationPath(id string) string { return basePath + "/operations/" + id + "/" }

// operationBody is an operation in a response about it alone.
type operationBody struct {
	operationFields
	Entries []entryBody `json:"entries" doc:"In the order of the request, followed by those that only the plan names."`
	operationEnd
}

// listedBody is an operation in the list.
type listedBody struct {
	operationFields
	EntryCount int         `json:"entry_count" doc:"How many entries it has." example:"1"`
	Entries    []entryBody `json:"entries,omitzero" doc:"Only with entries=true. In the order of the request, followed by those that only the plan names."`
	operationEnd
}

// operationFields are the members of an operation before its entries.
type operationFields struct {
	ID       string          `json:"id" doc:"The id of the write, as in the header Operation-Id." example:"0198c5b4-7c1e-7d1f-9a55-3f4f2a6f0c11"`
	State    operation.State `json:"state" values:"states" doc:"What is known of it." example:"done"`
	Outcome  operation.State `json:"outcome" values:"outcomes" doc:"The state as the header Operation-Outcome has it: unknown unless it has ended." example:"done"`
	Basis    operation.Basis `json:"known_by,omitempty" values:"bases" doc:"How the end is known: answer for the platform's reply, reading, or not_taken if nothing was sent or the platform did not process it." example:"answer"`
	Endpoint string          `json:"endpoint" doc:"The name of the route." example:"itc_numbers_assign"`
	TenantID string          `json:"tenant_id" doc:"The tenant that the path names." example:"ApioSpTest"`
	GroupID  string          `json:"group_id,omitempty" doc:"Absent for a write of a tenant." example:"ApioGrpTest"`
	UserID   string          `json:"user_id,omitempty" doc:"Absent for a write of a tenant or group."`

	RequestedBy string `json:"requested_by" doc:"The caller." example:"tenantadmin"`
	RequestID   string `json:"request_id" doc:"The header X-Request-Id of its response." example:"WVSEQQ3JQKT5YBD7Z3JVZQ2YDA"`

	ReceivedAt time.Time `json:"received_at" doc:"When the request arrived." example:"2026-01-05T09:30:00.101Z"`
	IntendedAt time.Time `json:"intended_at,omitzero" doc:"When it was recorded that it may be sent." example:"2026-01-05T09:30:00.134Z"`
	SentAt     time.Time `json:"sent_at,omitzero" doc:"When it was sent to the platform." example:"2026-01-05T09:30:00.135Z"`
	UnknownAt  time.Time `json:"doubted_at,omitzero" doc:"When its outcome became unknown. It may be up to minutes in the future, if another replica took the write over from one that may still send it until then."`
	EndedAt    time.Time `json:"ended_at,omitzero" doc:"When nothing more was to be found out." example:"2026-01-05T09:30:00.171Z"`
	ReleasedAt time.Time `json:"released_at,omitzero" doc:"When an operator last released entries of it whose outcome was unknown."`
}

// operationEnd has the members of an operation after its entries.
type operationEnd struct {
	// Error is the platform's refusal of the last step that was sent, in the form of
	// all errors. It is absent if the platform refused nothing, or if it is not known
	// that nothing of the step was done.
	Error       *errorObject           `json:"error,omitempty" doc:"The platform's refusal of the last step that was sent. Absent if it refused nothing, or if it is not known that nothing of the step was done."`
	Corrections []operation.Correction `json:"corrections,omitempty" doc:"Ends that were found to be wrong."`
}

type entryBody struct {
	Entry   string          `json:"entry" doc:"As the caller wrote it, or as lists show it." example:"+3225126999"`
	Outcome operation.State `json:"outcome" values:"outcomes" doc:"What became of it." example:"done"`
	// Step is the step that changes the entry, from 1; absent if the entry already had
	// the wanted value.
	Step int `json:"step,omitempty" doc:"The step that changes it, from 1; absent if it already had the wanted value." example:"1"`
	// Released reports whether an operator has released the entry while its outcome
	// was unknown. The outcome stays unknown.
	Released bool `json:"released,omitempty" doc:"Whether an operator has released it while its outcome was unknown. The outcome stays unknown."`
}

// bodyOf returns an operation as that caller may see it.
func bodyOf(op operation.Operation, to auth.Principal) operationBody {
	return operationBody{fieldsOf(op), entriesOf(op), endOf(op, to)}
}

// listedOf returns an operation as that caller may see it in a list.
func listedOf(op operation.Operation, to auth.Principal, withEntries bool) listedBody {
	body := listedBody{operationFields: fieldsOf(op), EntryCount: len(op.Entries), operationEnd: endOf(op, to)}
	if withEntries {
		body.Entries = entriesOf(op)
	}
	return body
}

func fieldsOf(op operation.Operation) operationFields {
	fields := operationFields{
		ID: op.ID, State: op.State, Outcome: op.State.Outcome(), Basis: op.Basis,
		Endpoint: op.Route, TenantID: op.TenantID, GroupID: op.GroupID, UserID: op.UserID,
		RequestedBy: op.Caller.Name, RequestID: op.Caller.RequestID,
		ReceivedAt: op.ReceivedAt, IntendedAt: op.IntendedAt, SentAt: op.SentAt, UnknownAt: op.UnknownAt, EndedAt: op.EndedAt,
	}
	if n := len(op.Releases); n > 0 {
		fields.ReleasedAt = op.Releases[n-1].At // by whom and why is for operators only
	}
	return fields
}

// entriesOf returns the entries of an operation, never nil.
func entriesOf(op operation.Operation) []entryBody {
	entries := make([]entryBody, len(op.Entries))
	for i, e := range op.Entries {
		entries[i] = entryBody{e.Given, cmp.Or(e.Outcome, operation.Unknown), e.Step, e.Released}
	}
	return entries
}

func endOf(op operation.Operation, to auth.Principal) operationEnd {
	return operationEnd{refusalOf(op, to), op.Corrections}
}

// refusalOf returns the platform's refusal of the last step that was sent, if nothing of
// that step was done, and nil otherwise. A caller below the level of the one who made
// the write does not get the platform's messages: they may name what is outside the
// caller's scope.
func refusalOf(op operation.Operation, to auth.Principal) *errorObject {
	if slices.ContainsFunc(op.Entries, func(e operation.Entry) bool { return e.Step == op.Step && e.Outcome != operation.NotDone }) {
		return nil // the platform's state does not confirm the refusal
	}
	refusal, err := decodeError(op.Response)
	if refusal == nil || err != nil {
		return nil
	}
	if to.Level < writerLevel(op) {
		refusal = &errcode.Error{Code: refusal.Code}
	}
	object := objectOf(refusal)
	return &object
}

// writerLevel returns the level of the caller who made the write. A level that no
// longer exists counts as the highest.
func writerLevel(op operation.Operation) auth.Level {
	if level, ok := auth.LevelByName(op.Caller.Level); ok {
		return level
	}
	return auth.SystemAdmin
}

// operation responds with one write. For a write outside the caller's scope, it
// responds as if there were no such write.
func (g *Gateway) operation(ctx context.Context, c echo.Context, who auth.Principal, _ translate.Params) error {
	id := pathParameter(c, operationIDParameter)
	if !operation.IsID(id) {
		return errcode.New(errcode.OperationNotFound)
	}
	op, err := g.options.Operations.Get(ctx, id)
	switch {
	case errors.Is(err, operation.ErrNotFound):
		return errcode.New(errcode.OperationNotFound)
	case err != nil:
		return &errcode.Error{Code: errcode.JournalUnavailable, Message: unreadable, RetryAfter: shortly, Cause: err}
	case !who.Covers(op.Target):
		return errcode.New(errcode.OperationNotFound)
	}
	if wait := g.options.Operations.RetryAfter(&op); wait > 0 {
		c.Response().Header().Set(echo.HeaderRetryAfter, seconds(wait))
	}
	return writeTagged(c, bodyOf(op, who))
}

const unreadable = "The gateway's journal cannot be read at the moment."

// operationsBody is a page of operations. Next is absent on the last page.
type operationsBody struct {
	Operations []listedBody `json:"operations" doc:"The last ones first. A page may have fewer than limit."`
	Next       string       `json:"next,omitempty" doc:"The value of before for the next page. Absent on the last page."`
}

// The largest and the default number of operations on a page.
const (
	maxPage     = 1000
	defaultPage = 100
)

// maxPageBytes limits the operations of a page by their sizes in the journal, so that the
// memory of a request does not depend on how many entries the writes have: a page ends
// before that, unless its first operation alone is larger. A page is complete in memory
// before it is written, since nothing of the journal may be locked for as long as a slow
// caller reads.
const maxPageBytes = 1 << 20

// operations responds with the writes of a scope: that of the query, or else the
// caller's own.
func (g *Gateway) operations(ctx context.Context, c echo.Context, who auth.Principal, params translate.Params) error {
	q, err := queryOf(params, who)
	if err != nil {
		return err
	}
	if !mayList(who, q) {
		return errcode.New(errcode.Forbidden)
	}
	page, more, err := g.options.Operations.List(ctx, q)
	if err != nil {
		return &errcode.Error{Code: errcode.JournalUnavailable, Message: unreadable, RetryAfter: shortly, Cause: err}
	}
	body := operationsBody{Operations: make([]listedBody, len(page))}
	for i, op := range page {
		body.Operations[i] = listedOf(op, who, params[entriesParameter] == "true")
	}
	if more && len(page) > 0 {
		body.Next = page[len(page)-1].ID
	}
	return writeTagged(c, body)
}

// mayList reports whether the caller's scope covers that of the list.
func mayList(who auth.Principal, q operation.Query) bool {
	if q.Target == (scope.Target{}) {
		return who.Level >= auth.SystemAdmin
	}
	return who.Covers(q.Target)
}

// listParams are the parameters of the list of operations. An empty id means all.
var listParams = []translate.Param{
	{Name: "tenant_id", Check: idProblem("tenant_id"), Doc: "Only the writes of this tenant."},
	{Name: "group_id", Check: idProblem("group_id"), Doc: "Only the writes of this group. It needs tenant_id."},
	{Name: "state", Kind: translate.ChoiceParam, Values: texts(listedStates), Doc: "Only the writes of which this is known."},
	{Name: "before", Check: operationIDProblem, Doc: "Only the writes that were begun before this operation: the next of a page."},
	{Name: "limit", Kind: translate.IntegerParam, Min: 1, Max: maxPage, Doc: "The most that a page holds. It holds fewer if their entries are many: next reports whether there are more."},
	{Name: entriesParameter, Kind: translate.BooleanParam, Doc: "true adds the entries of each write to it, which are left out otherwise."},
}

const entriesParameter = "entries"

// idProblem returns the validation of an id with that name.
func idProblem(name string) func(id string) string {
	return func(id string) string {
		parameter, known := scope.ParameterByName(name)
		if id == "" || !known {
			return ""
		}
		var reasons []string
		for _, problem := range parameter.Problems(id, nil) {
			reasons = append(reasons, problem.Reason)
		}
		return strings.Join(reasons, ", ")
	}
}

func operationIDProblem(id string) string {
	if !operation.IsID(id) {
		return "must be the id of an operation"
	}
	return ""
}

// queryOf returns the query for the operations that a request lists.
func queryOf(params translate.Params, who auth.Principal) (operation.Query, error) {
	q := operation.Query{
		Target: scope.Target{TenantID: who.TenantID, GroupID: who.GroupID}, State: operation.State(params["state"]),
		Before: params["before"], Limit: params.Integer("limit", defaultPage), MaxBytes: maxPageBytes,
	}
	if id, given := params["tenant_id"]; given {
		q.Target.TenantID = id
	}
	if id, given := params["group_id"]; given {
		q.Target.GroupID = id
	}
	if q.Target.GroupID != "" && q.Target.TenantID == "" {
		return operation.Query{}, errcode.Invalid(errcode.InvalidParameters, errcode.Problem{Parameter: "group_id", Reason: "needs tenant_id"})
	}
	return q, nil
}

// listedStates are the states by which operations can be listed.
var listedStates = []operation.State{operation.Done, operation.NotDone, operation.PartlyDone, operation.Unknown}
