package gateway

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/labstack/echo/v4"

	"ocigate/translate"
)

// dryRunBody is the response to a dry run.
type dryRunBody struct {
	DryRun  bool           `json:"dry_run"` // always true
	Changes []dryRunChange `json:"changes"`
}

type dryRunChange struct {
	Entry string `json:"entry"` // in the caller's spelling
	Start string `json:"start"` // in the platform's, as is End
	End   string `json:"end,omitempty"`
	// Before and After are the values of the entry, as a write persists them.
	Before json.RawMessage `json:"before"`
	After  json.RawMessage `json:"after"`
}

// dryRun makes all checks of a write, sends nothing, and responds with what the
// write would change. It makes no operation, and does not use an idempotency key.
func (g *Gateway) dryRun(ctx context.Context, c echo.Context, route Route, draft *translate.Draft, prefs preferences) error {
	if prefs.preferred {
		c.Response().Header().Set(headerPreferApplied, dryRunPreference)
	}
	plan, err := route.Change.Plan(ctx, draft)
	if err != nil {
		return checkFailure(err)
	}
	body := dryRunBody{DryRun: true, Changes: []dryRunChange{}}
	for _, e := range plan.Entries {
		if e.Step > 0 {
			body.Changes = append(body.Changes, dryRunChange{e.Given, e.Start, e.End, e.Before, e.After})
		}
	}
	return writeJSON(c, http.StatusOK, body)
}
