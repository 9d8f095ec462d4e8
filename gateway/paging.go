package gateway

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"ocigate/translate"
)

// headerTotalCount has the number of entries for which the filters hold, on all pages
// together, and whatever responseSizeLimit is.
const headerTotalCount = "X-Total-Count"

// setPageHeaders sets the headers of a list that is filtered, sorted or paged. The links
// are those of the request, with another startIndex: the last page has no next one, and
// the first page no previous one. A list without parameters has none of these headers.
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
		header.Set(HeaderLink, strings.Join(links, ", "))
	}
}

func pageLink(request *url.URL, startIndex int, rel string) string {
	query := request.Query()
	query.Set(translate.StartIndexParam, strconv.Itoa(startIndex))
	query.Del(cacheBuster)
	return link(request.EscapedPath()+"?"+query.Encode(), rel)
}
