package gateway

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"ocigate/translate"
)

// Headers of a list that is filtered, sorted or paged. A list that was requested
// without parameters has none of them.
const (
	// headerTotalCount has the number of entries for which the filters hold, on all
	// pages together, and whatever responseSizeLimit is.
	headerTotalCount = "X-Total-Count"
	// headerLink has links to other pages, with rel="next" and rel="prev": RFC 8288.
	// The last page has no next one, and the first page no previous one.
	headerLink = "Link"
)

// setPageHeaders sets the headers of a list. The links are those of the request, with
// another startIndex.
func setPageHeaders(header http.Header, request *url.URL, page *translate.Page) {
	header.Set(headerTotalCount, strconv.Itoa(page.Total()))
	var links []string
	if startIndex, ok := page.Next(); ok {
		links = append(links, pageLink(request, startIndex, "next"))
	}
	if startIndex, ok := page.Previous(); ok {
		links = append(links, pageLink(request, startIndex, "prev"))
	}
	if len(links) > 0 {
		header.Set(headerLink, strings.Join(links, ", "))
	}
}

func pageLink(request *url.URL, startIndex int, rel string) string {
	query := request.Query()
	query.Set(translate.StartIndexParam, strconv.Itoa(startIndex))
	query.Del(cacheBuster)
	return "<" + request.EscapedPath() + "?" + query.Encode() + `>; rel="` + rel + `"`
}
