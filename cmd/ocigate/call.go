package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"ocigate/config"
	"ocigate/gateway"
	"ocigate/translate"
	"ocigate/translate/scope"
)

// The environment variables of the command. Their prefix differs from that of the
// configuration, whose loader refuses unknown variables: a shell that has these can
// also start a gateway.
const (
	callPrefix     = "OCICALL_"
	variableURL    = callPrefix + "URL"
	variableClient = callPrefix + "CLIENT"
	variableSecret = callPrefix + "SECRET"
	variableToken  = callPrefix + "TOKEN"
)

// callSettings are the flags of all endpoints.
type callSettings struct {
	url                           string
	client, secretFile, tokenFile string
	caFile                        string
	accept                        string
	timeout                       time.Duration
	verbose, raw, curl            bool
}

// callFlags are the flags of one endpoint. Only those that fit its route are declared.
type callFlags struct {
	ids         map[string]*string // values of the parameters of the path, by their names
	params      []string           // of the query, as name=value
	body        string
	example     bool
	dryRun      bool
	key         string
	noKey       bool
	ifMatch     string
	ifNoneMatch string
	wait        time.Duration
}

// An endpointCall is a call of one endpoint.
type endpointCall struct {
	*callSettings
	callFlags

	route     gateway.Route
	described translate.Description
}

// isWrite reports whether the call may change the platform.
func (e *endpointCall) isWrite() bool {
	return e.route.Change != nil && !e.dryRun && !e.hasParam(dryRunName, "true")
}

// isLogin reports whether the body of the call has credentials, which replace those of
// the request.
func (e *endpointCall) isLogin() bool { return e.route.Session != nil && e.described.Request != nil }

func newCall() *cobra.Command {
	s := &callSettings{}
	c := &cobra.Command{
		Use:   "call",
		Short: "Make any documented call of a gateway's API",
		Long: "Make any documented call of a gateway's API. The endpoints are the commands below;\n" +
			"\"ocigate call ENDPOINT --help\" describes each. The body of the response goes to the\n" +
			"standard output, indented if that is a terminal. An error is explained on the standard\n" +
			"error. Redirects are not followed, and no write is sent twice.\n\n" +
			callVariablesHelp + "\n" + exitCodesHelp,
		Example: "  export " + variableClient + "=portal " + variableURL + "=http://127.0.0.1:8080\n" +
			"  ocigate call itc_numbers_list --tenant ApioSpTest --group ApioGrpTest --secret-file portal.secret",
		Args: cobra.NoArgs,
		RunE: showHelp,
	}
	flags := c.PersistentFlags()
	flags.StringVar(&s.url, "url", "", "the `URL` of the gateway (default $"+variableURL+", or http://"+config.Default().HTTP.Listen+")")
	flags.StringVar(&s.client, "client", "", "the `id` of a listed client (default $"+variableClient+")")
	flags.StringVar(&s.secretFile, "secret-file", "", "read the client's secret from this `file`")
	flags.StringVar(&s.tokenFile, "token-file", "", "read a token from this `file`")
	flags.StringVar(&s.caFile, "cacert", "", "accept only certificates of the authorities in this `file` (PEM)")
	flags.StringVar(&s.accept, "accept", acceptJSON, "the `form` of errors: json, or problem for that of RFC 9457")
	flags.DurationVar(&s.timeout, "timeout", config.Default().HTTP.WriteTimeout+10*time.Second, "the longest time for one request and its response")
	flags.BoolVarP(&s.verbose, "verbose", "v", false, "print the status and the important headers of every response to the standard error")
	flags.BoolVar(&s.raw, "raw", false, "print the body as it was received, also to a terminal")
	flags.BoolVar(&s.curl, "curl", false, "print the call as a command line of curl, and send nothing")
	c.MarkFlagsMutuallyExclusive("token-file", "client")
	c.MarkFlagsMutuallyExclusive("token-file", "secret-file")
	mustComplete(c, "url", cobra.NoFileCompletions)
	mustComplete(c, "client", cobra.NoFileCompletions)
	mustComplete(c, "accept", cobra.FixedCompletions([]string{acceptJSON, acceptProblem}, cobra.ShellCompDirectiveNoFileComp))
	c.SetHelpFunc(func(c *cobra.Command, args []string) {
		if e, ok := routeNamed(c.Name()); ok && c.Parent() != nil && c.Parent().Name() == "call" {
			c.Long = endpointHelp(e)
		}
		c.Root().HelpFunc()(c, args)
	})
	for _, route := range gateway.Table() {
		c.AddCommand(newEndpointCall(s, route))
	}
	return c
}

const callVariablesHelp = "Environment variables, which flags override:\n" +
	"  " + variableURL + "     the URL of the gateway\n" +
	"  " + variableClient + "  the id of a listed client\n" +
	"  " + variableSecret + "  its secret; without it and --secret-file, a terminal asks for the secret\n" +
	"  " + variableToken + "   a token, instead of a client\n"

// newEndpointCall returns the command of one endpoint.
func newEndpointCall(s *callSettings, route gateway.Route) *cobra.Command {
	e := &endpointCall{callSettings: s, callFlags: callFlags{ids: map[string]*string{}}, route: route, described: route.Describe()}
	c := e.command(e.run)
	flags := c.Flags()
	if route.Change != nil {
		flags.BoolVar(&e.dryRun, "dry-run", false, "check everything, change nothing, and print what would change")
		flags.StringVar(&e.key, "idempotency-key", "", "repeat the write that has this `key`, or send it for the first time; without the flag, a new key is made and printed")
		flags.BoolVar(&e.noKey, "no-key", false, "send no Idempotency-Key")
		flags.DurationVar(&e.wait, "wait", 0, "if the outcome is unknown, ask for it again for up to so long")
		c.MarkFlagsMutuallyExclusive("idempotency-key", "no-key")
		c.MarkFlagsMutuallyExclusive("dry-run", "wait")
		c.MarkFlagsMutuallyExclusive("dry-run", "idempotency-key")
	} else if route.Session == nil {
		flags.StringVar(&e.ifNoneMatch, "if-none-match", "", "an `ETag`: the response is 304 without a body if it is still the same")
	}
	if e.described.Conditional {
		flags.StringVar(&e.ifMatch, "if-match", "", "an `ETag`: the write is refused if what is there has another")
	}
	return c
}

// command returns the command of the route with the flags of its request, which calls run.
func (e *endpointCall) command(run func(*cobra.Command) error) *cobra.Command {
	c := &cobra.Command{
		Use:               e.route.Name,
		Short:             e.route.Summary,
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		PreRun: func(c *cobra.Command, _ []string) {
			if e.example { // it needs no target
				for name := range e.ids {
					delete(c.Flags().Lookup(flagOf(name)).Annotations, cobra.BashCompOneRequiredFlag)
				}
			}
		},
		RunE: func(c *cobra.Command, _ []string) error { return run(c) },
	}
	e.addRequestFlags(c)
	return c
}

// addRequestFlags adds the flags for the path, the query and the body of a request.
func (e *endpointCall) addRequestFlags(c *cobra.Command) {
	flags := c.Flags()
	flags.SortFlags = false
	for _, p := range e.route.PathParameters() {
		name := p.Name
		e.ids[name] = flags.String(flagOf(name), "", "the "+name+" in the path")
		_ = c.MarkFlagRequired(flagOf(name)) // the flag is there
		mustComplete(c, flagOf(name), cobra.NoFileCompletions)
	}
	if len(e.described.Params) > 0 {
		flags.StringArrayVar(&e.params, "param", nil, "a parameter of the query as `name=value`; may be given several times")
		mustComplete(c, "param", e.completeParam)
	}
	if e.described.Request != nil {
		flags.StringVar(&e.body, "body", "", "the `JSON` of the body, @FILE for the content of a file, or - for the standard input")
		flags.BoolVar(&e.example, "example", false, "print an example of the body, and send nothing")
	}
}

// run makes the call, or prints what the flags ask for instead.
func (e *endpointCall) run(c *cobra.Command) error {
	if e.example {
		return e.printExample(c)
	}
	request, err := e.request(c)
	if err != nil {
		return err
	}
	if e.curl {
		return e.printCurl(c, request)
	}
	return e.send(c, request)
}

// routeNamed returns the route with that name.
func routeNamed(name string) (gateway.Route, bool) {
	for _, route := range gateway.Table() {
		if route.Name == name {
			return route, true
		}
	}
	return gateway.Route{}, false
}

// flagOf returns the flag for a parameter of a path: --tenant for tenant_id, as in the
// other commands, and --operation-id for operation_id.
func flagOf(parameter string) string {
	if _, ofScope := scope.ParameterByName(parameter); ofScope {
		parameter = strings.TrimSuffix(parameter, "_id")
	}
	return strings.ReplaceAll(parameter, "_", "-")
}

// mustComplete registers the completion of a flag that is there and has none.
func mustComplete(c *cobra.Command, flag string, complete cobra.CompletionFunc) {
	if err := c.RegisterFlagCompletionFunc(flag, complete); err != nil {
		panic(err) // the flag is declared just before
	}
}

// endpointHelp returns the long help of an endpoint.
func endpointHelp(route gateway.Route) string {
	var b strings.Builder
	described := route.Describe()
	fmt.Fprintf(&b, "%s\n\n%s %s\n", route.Summary, route.Method, route.FullPath())
	if route.Session == nil {
		fmt.Fprintf(&b, "Lowest level of the caller: %s\n", route.Level)
	}
	fmt.Fprintf(&b, "Status of a success: %d\n", route.Status)
	if len(described.Params) > 0 {
		b.WriteString("\nParameters of the query, for --param:\n")
		for _, p := range described.Params {
			fmt.Fprintf(&b, "  %-10s %s", p.Name, p.Doc)
			if len(p.Values) > 0 {
				fmt.Fprintf(&b, " One of %s.", strings.Join(p.Values, ", "))
			}
			b.WriteByte('\n')
		}
	}
	if described.Request != nil {
		b.WriteString("\nAn example of the body, for --body:\n  ")
		b.Write(exampleOf(described.Request))
		b.WriteByte('\n')
	}
	if len(described.Errors) > 0 {
		b.WriteString("\nErrors, besides those of every endpoint:\n")
		for _, code := range described.Errors {
			fmt.Fprintf(&b, "  %d  %4d  %s\n", code.Status, code.Number, code.Name)
		}
	}
	b.WriteString("\n" + exitCodesHelp)
	return strings.TrimSuffix(b.String(), "\n")
}

// The values of --accept.
const (
	acceptJSON    = "json"
	acceptProblem = "problem"
)

// acceptType returns the media type for a value of --accept.
func acceptType(value string) (string, error) {
	switch value {
	case acceptJSON:
		return jsonType, nil
	case acceptProblem:
		return "application/problem+json", nil
	}
	return "", errors.New("--accept must be " + acceptJSON + " or " + acceptProblem + ", not " + cell(value))
}
