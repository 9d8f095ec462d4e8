package docs

import (
	"net/http"
	"slices"

	"ocigate/translate/errcode"
)

// A promise is what a status says about a write.
type promise struct {
	Class  string // of the style sheet: done, notdone, unknown
	Title  string // two or three words
	Detail string // a sentence or two
}

// The promises.
var (
	done    = promise{"done", "Done", "The change is on the platform."}
	inPart  = promise{"unknown", "See each entry", "The response reports for each entry whether it was changed, was not changed, or may have been changed."}
	notDone = promise{"notdone", "Not done", "Nothing was changed on the platform."}
	maybe   = promise{"unknown", "Unknown", "The request was sent and its reply was lost: the change may have been made or not. Read the operation."}
	partial = promise{"unknown", "Unknown, or done in part", "The request was sent, and the reply does not prove what was done. Read the operation."}
	failed  = promise{"unknown", "Unknown", "The gateway failed, which promises nothing. Read the operation if the response has an Operation-Id."}
)

// promiseOf returns the promise of an error.
func promiseOf(c *errcode.Code) promise {
	switch {
	case c == errcode.RequestRunning:
		return promise{notDone.Class, "Not sent a second time", "The repeated request was not sent. The first request with the key continues."}
	case c == errcode.PartlyDone:
		return promise{partial.Class, "Done in part", "A part was changed and a part was not. The operation has the result of each entry."}
	case c.PromisesNotDone():
		return notDone
	case c.Status == http.StatusGatewayTimeout:
		return maybe
	case c.Status == http.StatusBadGateway:
		return partial
	}
	return failed
}

// A status is a row of the table of what each status means.
type status struct {
	Codes   string // the statuses, as a reader writes them
	Promise promise
	Errors  []*errorPage // those that a write can return
}

// statusesOf returns the table for writes. Its rows are in the order of the statuses.
func statusesOf(errors []*errorPage) []status {
	rows := []status{
		{Codes: "200, 201", Promise: done},
		{Codes: "207", Promise: inPart},
		{Codes: "4xx", Promise: notDone},
		{Codes: "503", Promise: promise{notDone.Class, notDone.Title, "Nothing was changed. Send the request again after Retry-After."}},
		{Codes: "504", Promise: maybe},
		{Codes: "502", Promise: partial},
		{Codes: "500", Promise: failed},
	}
	row := func(codes string) *status {
		return &rows[slices.IndexFunc(rows, func(s status) bool { return s.Codes == codes })]
	}
	for _, e := range errors {
		if e.OnlyReads || !e.Everywhere && len(e.Routes) == 0 {
			continue
		}
		codes := "4xx"
		switch e.Status {
		case http.StatusServiceUnavailable:
			codes = "503"
		case http.StatusGatewayTimeout:
			codes = "504"
		case http.StatusBadGateway:
			codes = "502"
		case http.StatusInternalServerError:
			codes = "500"
		}
		to := row(codes)
		to.Errors = append(to.Errors, e)
	}
	return rows
}
