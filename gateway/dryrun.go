package gateway

import (
	"context"
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
	Entry  string          `json:"entry"` // the caller's spelling
	Start  string          `json:"start"` // the platform's, as the next one
	End    string          `json:"end,omitempty"`
	Before rehearsedHolder `json:"before"`
	After  rehearsedHolder `json:"after"`
}

// rehearsedHolder tells which group has an entry, null for none.
type rehearsedHolder struct {
	GroupID *string `json:"groupId"`
}

func holder(groupID string) rehearsedHolder {
	if groupID == "" {
		return rehearsedHolder{}
	}
	return rehearsedHolder{&groupID}
}

// rehearse makes all checks of a write, sends nothing, and answers what it
// would change. It is no operation, and has no use for a key.
func (g *Gateway) rehearse(ctx context.Context, c echo.Context, e Endpoint, draft *translate.Draft, asked wishes) error {
	if asked.preferred {
		c.Response().Header().Set(headerPreferApplied, dryRunPreference)
	}
	plan, err := e.Change.Plan(ctx, draft)
	if err != nil {
		return checkFailure(err)
	}
	answer := rehearsal{DryRun: true, Changes: make([]rehearsedChange, len(plan.Entries))}
	for i, entry := range plan.Entries {
		answer.Changes[i] = rehearsedChange{entry.Given, entry.Start, entry.End, holder(plan.From), holder(plan.To)}
	}
	return writeJSON(c, http.StatusOK, answer)
}
