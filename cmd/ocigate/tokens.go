package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"ocigate/gateway/auth"
	"ocigate/gateway/operation"
)

func newTokens() *cobra.Command {
	c := &cobra.Command{
		Use:   "tokens",
		Short: "Revoke the tokens of a user",
		Args:  cobra.NoArgs,
		RunE:  showHelp,
	}
	c.AddCommand(newTokensRevoke())
	return c
}

func newTokensRevoke() *cobra.Command {
	var order operation.EndTokens
	c := withManager(&cobra.Command{
		Use:   "revoke --user NAME --reason TEXT",
		Short: "Revoke all tokens that a user has got by logins until now",
		Long: "Revoke all tokens that a user of the platform has got by logins until now. Letter case\n" +
			"does not count in the name, which is the one that the audit trail has for the logins.\n" +
			"The user can log in again, unless the platform refuses it: lock the user there first,\n" +
			"or change the password. A request in progress is not interrupted.\n\n" +
			"With the embedded journal, the command connects to the running gateway by the socket\n" +
			controlSocket + " in the journal's folder; run it as the user of the gateway. If no\n" +
			"gateway runs, it opens the folder itself. With PostgreSQL it uses the database, and\n" +
			"every replica refuses the tokens within a few seconds. The reason and the name of the\n" +
			"operating system's user are written to the audit trail.",
		Args: cobra.NoArgs,
	}, func(c *cobra.Command, m manager, _ []string) error {
		if err := mayWrite(m); err != nil {
			return err
		}
		var err error
		if order.By, err = operatorName(); err != nil {
			return err
		}
		order.Principal = auth.UserPrincipal(order.User)
		if err := m.endTokens(c.Context(), order); err != nil {
			return err
		}
		_, err = fmt.Fprintf(c.OutOrStdout(), "The tokens of %s that were issued until now are revoked.\n", cell(order.User))
		return err
	})
	flags := c.Flags()
	flags.StringVar(&order.User, "user", "", "the user's id on the platform")
	flags.StringVar(&order.Reason, "reason", "", fmt.Sprintf("why, in up to %d characters; the audit trail keeps it", operation.MaxReason))
	for _, required := range []string{"user", "reason"} {
		_ = c.MarkFlagRequired(required) // the flag is there
	}
	return c
}
