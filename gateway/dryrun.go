package gateway

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/labstack/echo/v4"

	"ocigate/translate"
)

// rehearsal is the answer to a dry run.
type rehearsal struct {
	DryRun  bool              `json:"dry_run"` // always true
	Changes []rehearsedChange `json:"changes"`
}

type rehearsedChange struct {
	Entry string `json:"entry"` // the caller's spelling
	Start string `json:"start"` // the platform's, as the next one
	End   string `json:"end,omitempty"`
	// Before and After are the entry's values, as they are persisted with a write.
	Before json.RawMessage `json:"before"`
	After  json.RawMessage `json:"after"`
}

// rehearse makes all checks of a write, sends nothing, and answers what it
// would change. It is no operation, and has no use for a key.
func (g *Gateway) rehearse(ctx context.Context, c echo.Context, e Route, draft *translate.Draft, asked preferences) error {
	if asked.preferred {
		c.Response().Header().Set(headerPreferApplied, dryRunPreference)
	}
	plan, err := e.Change.Plan(ctx, draft)
	if err != nil {
		return checkFailure(err)
	}
	answer := rehearsal{DryRun: true, Changes: []rehearsedChange{}}
	for _, e := range plan.Entries {
		if e.Step > 0 {
			answer.Changes = append(answer.Changes, rehearsedChange{e.Given, e.Start, e.End, e.Before, e.After})
		}
	}
	return writeJSON(c, http.StatusOK, answer)
}
