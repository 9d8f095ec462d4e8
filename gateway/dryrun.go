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
	DryRun  bool           `json:"dry_run" doc:"Always true." example:"true"`
	Changes []dryRunChange `json:"changes" doc:"What the write would change, in its order."`
}

type dryRunChange struct {
	Entry string `json:"entry" doc:"In the caller's spelling." example:"+3225126999"`
	Start string `json:"start" doc:"In the platform's spelling." example:"+32-25126999"`
	End   string `json:"end,omitempty" doc:"The end of a range, in the platform's spelling."`
	// Before and After are the values of the entry, as a write persists them.
	Before json.RawMessage `json:"before" doc:"Its present value: any JSON." example:"{\"groupId\":null}"`
	After  json.RawMessage `json:"after" doc:"Its value after the write: any JSON." example:"{\"groupId\":\"ApioGrpTest\"}"`
}

// dryRun makes all checks of a write, sends nothing, and responds with what the
// write would change. It makes no operation, and does not use an idempotency key.
func (g *Gateway) dryRun(ctx context.Context, c echo.Context, route Route, draft *translate.Draft, prefs preferences) error {
	if prefs.preferred {
		applied(c, dryRunPreference)
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
