package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"ocigate/config"
	"ocigate/gateway/auth"
)

// maxSecretInput is larger than any secret that can be hashed, in bytes.
const maxSecretInput = 4096

func newHash() *cobra.Command {
	return &cobra.Command{
		Use:   "hash",
		Short: "Hash the secret of a listed client, typed on a terminal or read from the standard input",
		Long: "Print the hash of a secret for auth.clients[].hash. The secret is read from the\n" +
			"standard input, so that it stays out of the shell's history and the process list.\n" +
			"On a terminal it must be typed twice, and is not shown. One newline at its end is not\n" +
			"a part of it.",
		Example: "  ocigate hash\n  ocigate hash < secret.txt",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			secret, err := readNewSecret(c)
			if err != nil {
				return err
			}
			hash, err := auth.Hash(secret)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(c.OutOrStdout(), hash)
			return err
		},
	}
}

// readNewSecret reads a secret from a terminal, or otherwise from the standard input. The
// rules are those of secrets in a configuration.
func readNewSecret(c *cobra.Command) (string, error) {
	var secret string
	var wrong error
	if t, ok := terminalOf(c.InOrStdin()); ok {
		typed, err := t.askTwice(c.Context(), c.ErrOrStderr())
		if err != nil {
			return "", err
		}
		secret, wrong = typed, config.CheckSecret(typed)
	} else {
		input, err := io.ReadAll(io.LimitReader(c.InOrStdin(), maxSecretInput+1))
		if err != nil {
			return "", fmt.Errorf("reading the secret: %w", err)
		}
		if len(input) > maxSecretInput {
			return "", fmt.Errorf("the secret is longer than %d bytes", maxSecretInput)
		}
		secret, wrong = config.SecretIn(input)
	}
	if wrong != nil {
		return "", fmt.Errorf("the secret %w", wrong)
	}
	return secret, nil
}
