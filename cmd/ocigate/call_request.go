package main

import (
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"ocigate/config"
	"ocigate/gateway"
	"ocigate/translate"
)

// maxCallBody limits what is read of a body from a file or the standard input, in bytes.
const maxCallBody = 64 << 20

// dryRunName is the parameter of the query that --dry-run sets.
const dryRunName = "dry_run"

// header is one header field of a request.
type header struct{ name, value string }

// apiRequest is a request without its credentials and without the content of its body.
type apiRequest struct {
	method  string
	base    string // the URL of the gateway, without a slash at its end
	target  string // path and query
	headers []header
	hasBody bool
	key     string // the Idempotency-Key, "" for none
	credentials
}

func (r apiRequest) url() string { return r.base + r.target }

// request returns the request for the flags. Its error says that a flag or variable is
// not valid.
func (e *endpointCall) request(c *cobra.Command) (apiRequest, error) {
	r := apiRequest{method: e.route.Method, hasBody: c.Flags().Changed("body")}
	var err error
	if r.base, err = e.baseURL(); err != nil {
		return r, err
	}
	if r.target, err = e.target(); err != nil {
		return r, err
	}
	if err := e.checkBodyFlag(r.hasBody); err != nil {
		return r, err
	}
	if e.isWrite() && !e.noKey {
		r.key = cmp.Or(e.key, rand.Text())
	}
	if r.headers, err = e.headers(r); err != nil {
		return r, err
	}
	r.credentials, err = e.credentials()
	return r, err
}

// baseURL returns the URL of the gateway.
func (e *endpointCall) baseURL() (string, error) {
	given, from := e.url, "--url"
	if given == "" {
		given, from = os.Getenv(variableURL), variableURL
	}
	given = cmp.Or(given, "http://"+config.Default().HTTP.Listen)
	u, err := url.Parse(given)
	switch {
	case err != nil:
		return "", fmt.Errorf("%s is not a URL", from) // which may have a password in it
	case u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		return "", fmt.Errorf("%s must begin with http:// or https:// and a host", from)
	case u.User != nil:
		return "", fmt.Errorf("%s must not have a user or a password: use --client and --secret-file", from)
	case u.RawQuery != "" || u.Fragment != "" || u.ForceQuery:
		return "", fmt.Errorf("%s must have neither a query nor a fragment", from)
	}
	return strings.TrimRight(u.String(), "/"), nil
}

// target returns the path and the query.
func (e *endpointCall) target() (string, error) {
	path := e.route.FullPath()
	for name, value := range e.ids {
		if *value == "" {
			return "", fmt.Errorf("--%s must not be empty", flagOf(name))
		}
		path = strings.ReplaceAll(path, "{"+name+"}", url.PathEscape(*value))
	}
	query, err := e.query()
	if err != nil || len(query) == 0 {
		return path, err
	}
	return path + "?" + query.Encode(), nil
}

// query returns the parameters of the query. Its error names the first that is not
// declared or not valid.
func (e *endpointCall) query() (url.Values, error) {
	query := url.Values{}
	for _, given := range e.params {
		name, value, ok := strings.Cut(given, "=")
		i := slices.IndexFunc(e.described.Params, func(p translate.Param) bool { return p.Name == name })
		switch {
		case i < 0:
			known := paramNames(e.described)
			return nil, fmt.Errorf("--param: %s has no parameter %s%s; the parameters are: %s",
				e.route.Name, cell(name), config.DidYouMean(name, known), strings.Join(known, ", "))
		case !ok:
			return nil, fmt.Errorf("--param: %s needs a value: %s=VALUE", name, name)
		case query.Has(name):
			return nil, fmt.Errorf("--param: %s must be given only once", name)
		}
		if reason := e.described.Params[i].Problem(value); reason != "" {
			return nil, fmt.Errorf("--param: %s %s, not %s", name, reason, cell(value))
		}
		query.Set(name, value)
	}
	if e.dryRun {
		if query.Has(dryRunName) {
			return nil, errors.New("--dry-run and --param " + dryRunName + " must not be given together")
		}
		query.Set(dryRunName, "true")
	}
	return query, nil
}

// hasParam reports whether a parameter of the query is given with that value.
func (e *endpointCall) hasParam(name, value string) bool {
	return slices.Contains(e.params, name+"="+value)
}

func paramNames(d translate.Description) []string {
	names := make([]string, len(d.Params))
	for i, p := range d.Params {
		names[i] = p.Name
	}
	return names
}

// headers returns the header fields other than the credentials.
func (e *endpointCall) headers(r apiRequest) ([]header, error) {
	accept, err := acceptType(e.accept)
	if err != nil {
		return nil, err
	}
	all := []header{{"Accept", accept}}
	add := func(name, flag, value string) {
		switch {
		case value == "":
		case strings.ContainsFunc(value, func(c rune) bool { return c < ' ' || c > '~' }):
			err = errors.Join(err, fmt.Errorf("--%s must be visible ASCII characters", flag))
		default:
			all = append(all, header{name, value})
		}
	}
	if r.hasBody {
		all = append(all, header{"Content-Type", jsonType})
	}
	add(gateway.HeaderIdempotencyKey, "idempotency-key", r.key)
	add("If-Match", "if-match", e.ifMatch)
	add("If-None-Match", "if-none-match", e.ifNoneMatch)
	return all, err
}

// checkBodyFlag returns an error for a body that is missing, or that would show a
// password in the list of processes.
func (e *endpointCall) checkBodyFlag(given bool) error {
	switch {
	case e.described.Request == nil:
		return nil
	case !given:
		return errors.New("--body is missing: give the JSON, @FILE, or - for the standard input; --example prints an example")
	case e.isLogin() && e.body != "-" && !strings.HasPrefix(e.body, "@"):
		return errors.New("--body must be @FILE, or - for the standard input: other users can see a password in the command line")
	}
	return nil
}

// readCallBody returns the content of the body.
func (e *endpointCall) readCallBody(c *cobra.Command) ([]byte, error) {
	name, isFile := strings.CutPrefix(e.body, "@")
	from := c.InOrStdin()
	switch {
	case e.body == "-":
	case !isFile:
		return []byte(e.body), nil
	default:
		file, err := os.Open(name) //nolint:gosec // the user names the file
		if err != nil {
			return nil, fmt.Errorf("--body: %w", err)
		}
		defer func() { _ = file.Close() }() // it was only read
		from = file
	}
	body, err := io.ReadAll(io.LimitReader(from, maxCallBody+1))
	if err != nil {
		return nil, fmt.Errorf("--body: %w", err)
	}
	if len(body) > maxCallBody {
		return nil, fmt.Errorf("--body is longer than %d bytes", maxCallBody)
	}
	return body, nil
}

// set writes the header fields of a request, credentials included.
func (r apiRequest) set(to http.Header) {
	for _, h := range r.headers {
		to.Set(h.name, h.value)
	}
	to.Set("User-Agent", "ocigate/"+versionText())
	r.credentials.set(to)
}
