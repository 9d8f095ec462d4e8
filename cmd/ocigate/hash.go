package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"ocigate/gateway/auth"
)

// maxSecretInput is more than any secret that can be hashed.
const maxSecretInput = 4096

func newHash() *cobra.Command {
	return &cobra.Command{
		Use:     "hash",
		Short:   "Hash the secret of a listed client, read from the standard input",
		Long:    "Print the hash of a secret for auth.clients[].hash. The secret is read from the\nstandard input, so that it stays out of the shell's history and the process list.",
		Example: "  ocigate hash < secret.txt",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			input, err := io.ReadAll(io.LimitReader(c.InOrStdin(), maxSecretInput))
			if err != nil {
				return fmt.Errorf("reading the secret: %w", err)
			}
			hash, err := auth.Hash(strings.TrimRight(string(input), "\r\n"))
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(c.OutOrStdout(), hash)
			return err
		},
	}
}
