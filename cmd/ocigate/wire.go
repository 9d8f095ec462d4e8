package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"ocigate/config"
	"ocigate/gateway"
	"ocigate/oci/ocisim"
)

// wireSettings are the flags of all routes.
type wireSettings struct {
	config     string
	release    int
	seed       string
	enterprise bool
	replies    bool
}

// A wireCall prints the documents of one call.
type wireCall struct {
	*wireSettings
	endpointCall

	before string // what the target has before a write, in the form of the body
}

func newWire() *cobra.Command {
	s := &wireSettings{release: defaultWireRelease}
	c := &cobra.Command{
		Use:   "wire",
		Short: "Print the OCI documents that a call would send, or trace a tenant",
		Long: "Print the OCI documents that a call of the API would send to the platform, in their\n" +
			"order. The endpoints are the commands below, with the flags of \"ocigate call\".\n\n" +
			"Nothing is sent to a platform, and none is needed: this program's own gateway makes the\n" +
			"call of a simulated platform, which has the tenant, the group and the user of the call,\n" +
			"and whatever the call needs to succeed. --seed gives it other data. Which documents a\n" +
			"gateway sends depends on the replies, so they can differ in number from those for a\n" +
			"platform with other data, but not in their form.\n\n" +
			"The documents are valid XML, with a comment before each. They have characters beyond\n" +
			"ASCII as references. Ids of sessions are replaced with names.\n\n" +
			"\"ocigate wire trace\" has a running gateway log what it really exchanges.",
		Example: "  ocigate wire itc_numbers_list --tenant ApioSpTest --group ApioGrpTest --release 22",
		Args:    cobra.NoArgs,
		RunE:    showHelp,
	}
	for _, route := range gateway.Table() {
		if route.Exchanges() {
			c.AddCommand(newWireCall(s, route))
		}
	}
	c.AddCommand(newWireTrace())
	return c
}

// defaultWireRelease is the release of the platform without --release.
const defaultWireRelease = 24

// newWireCall returns the command of one route.
func newWireCall(s *wireSettings, route gateway.Route) *cobra.Command {
	w := &wireCall{wireSettings: s, endpointCall: endpointCall{
		callSettings: &callSettings{}, callFlags: callFlags{ids: map[string]*string{}}, route: route, described: route.Describe(),
	}}
	c := w.command(w.run)
	flags := c.Flags()
	if route.Change != nil {
		flags.BoolVar(&w.dryRun, "dry-run", false, "make the checks of the write, and do not send it")
		flags.StringVar(&w.before, "before", "", "what the group or user has before the write, as the `JSON` of a body; for a removal the body itself")
	}
	flags.Func("release", fmt.Sprintf("the platform's `release`: one of %v (default %d, or the configuration's)", ocisim.Releases(), defaultWireRelease), func(text string) (err error) {
		s.release, err = ocisim.ParseRelease(text)
		return err
	})
	flags.BoolVar(&s.enterprise, "enterprise", false, "the tenant is an enterprise")
	flags.StringVar(&s.seed, "seed", "", "the YAML `file` with the data of the simulated platform, as for \"ocigate simulate\"")
	flags.StringVarP(&s.config, "config", "c", "", "the YAML `file` of a configuration, whose platform.encoding, send_echo, send_tracking_id, release and api count")
	flags.BoolVar(&s.replies, "replies", false, "also print the replies, which are simulated")
	c.MarkFlagsMutuallyExclusive("enterprise", "seed")
	if route.Change != nil {
		c.MarkFlagsMutuallyExclusive("before", "seed")
	}
	_ = c.MarkFlagFilename("config", "yaml", "yml") // the flags are there
	_ = c.MarkFlagFilename("seed", "yaml", "yml")
	return c
}

func (w *wireCall) run(c *cobra.Command) error {
	if w.example {
		return w.printExample(c)
	}
	target, err := w.target()
	if err != nil {
		return err
	}
	given := c.Flags().Changed("body")
	if err := w.checkBodyFlag(given); err != nil {
		return err
	}
	var body []byte
	if given {
		if body, err = w.readCallBody(c); err != nil {
			return err
		}
	}
	settings := config.Default()
	if w.config != "" {
		loaded, err := config.Load(w.config, os.Environ())
		if err != nil {
			return err
		}
		settings = *loaded
	}
	if !c.Flags().Changed("release") && settings.Platform.Release.Number() != 0 {
		w.release = settings.Platform.Release.Number()
	}
	seed, err := w.world(body)
	if err != nil {
		return err
	}
	got, err := w.exchange(c.Context(), seed, settings, target, body)
	if err != nil {
		return err
	}
	if err := w.print(c.OutOrStdout(), got); err != nil {
		return err
	}
	return got.report(c.ErrOrStderr())
}

// wireResponse is the response to a call with the documents that were exchanged for it.
type wireResponse struct {
	status    int
	Response  json.RawMessage `json:"response"`
	Exchanges []struct {
		Commands []string `json:"commands"`
		Request  string   `json:"request"`
		Reply    string   `json:"reply"`
		Error    string   `json:"error"`
	} `json:"wire"`
	Truncated bool `json:"truncated"`
}

// print prints the documents.
func (w *wireCall) print(to io.Writer, got *wireResponse) error {
	var out strings.Builder
	for i, x := range got.Exchanges {
		fmt.Fprintf(&out, "<!-- document %d: %s -->\n%s\n", i+1, strings.Join(x.Commands, ", "), inASCII(x.Request))
		if w.replies && x.Reply != "" {
			fmt.Fprintf(&out, "<!-- reply %d, simulated: not of a real platform -->\n%s\n", i+1, inASCII(x.Reply))
		}
	}
	_, err := io.WriteString(to, out.String())
	return err
}

// report prints what the call got from the simulated platform. An error says that the
// gateway refuses the call.
func (got *wireResponse) report(to io.Writer) error {
	if got.Truncated {
		fmt.Fprintln(to, "note: a document is too long and was cut, or there are too many of them")
	}
	if got.status < http.StatusBadRequest {
		if len(got.Exchanges) == 0 {
			fmt.Fprintln(to, "note: the call needs no document")
		}
		fmt.Fprintln(to, "note: nothing was sent to a platform; the replies were simulated")
		return nil
	}
	var failure struct {
		Errors []struct {
			Name    string `json:"name"`
			Message string `json:"message"`
		} `json:"errors"`
	}
	if json.Unmarshal(got.Response, &failure) != nil || len(failure.Errors) == 0 {
		return fmt.Errorf("the call gets status %d", got.status)
	}
	text := fmt.Sprintf("the gateway responds with %d %s: %s", got.status, failure.Errors[0].Name, failure.Errors[0].Message)
	if len(got.Exchanges) > 0 {
		text += " (as the simulated platform has it: see --seed)"
	}
	return errors.New(text)
}

// inASCII returns a document with references in the place of characters beyond ASCII, so
// that it is valid whatever encoding its declaration names.
func inASCII(document string) string {
	var out strings.Builder
	for _, r := range document {
		if r < 0x80 {
			out.WriteRune(r)
		} else {
			fmt.Fprintf(&out, "&#%d;", r)
		}
	}
	return out.String()
}
