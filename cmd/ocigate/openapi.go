package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"ocigate/config"
	"ocigate/gateway/openapi"
)

// descriptionFormats are the values of --format of the command openapi.
var descriptionFormats = map[string]func() []byte{"json": openapi.JSON, "yaml": openapi.YAML}

func newOpenAPI() *cobra.Command {
	const asYAML, asJSON = "yaml", "json"
	var format string
	command := &cobra.Command{
		Use:   "openapi",
		Short: "Print the OpenAPI description of the API",
		Long: "Print the OpenAPI 3.1 description of the API, which the gateway serves under\n" +
			"/openapi.yaml and /openapi.json.",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			description, known := descriptionFormats[format]
			if !known {
				formats := []string{asYAML, asJSON}
				return fmt.Errorf("--format must be %s, not %q%s", strings.Join(formats, " or "), format, config.DidYouMean(format, formats))
			}
			_, err := c.OutOrStdout().Write(description())
			return err
		},
	}
	command.Flags().StringVar(&format, "format", asYAML, "the format: yaml or json")
	return command
}
