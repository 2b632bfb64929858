package main

import (
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"kinesis-destination/cmd/internal/control/api"
	"kinesis-destination/cmd/internal/control/server"
)

func tokenCommand() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use: "token", Short: "Create, list and revoke tokens of the control-plane API",
		Long: `Tokens are kept in a file that serve reads: their hashes alone. serve takes a change
of the file within a second.`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(tokenCreateCommand(&file), tokenListCommand(&file), tokenRevokeCommand(&file))
	for _, below := range cmd.Commands() {
		below.Flags().StringVar(&file, "token-file", "", "file of tokens (required)")
	}
	return cmd
}

var errNoTokenFile = usageError{errors.New("give the file of tokens with --token-file")}

func tokenCreateCommand(file *string) *cobra.Command {
	var permissions, sandboxes []string
	cmd := &cobra.Command{
		Use: "create NAME --token-file FILE", Short: "Make a token and print it, once",
		Args: usageArgs(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if *file == "" {
				return errNoTokenFile
			}
			if err := saysNothing(cmd.Flags(), "be for all sandboxes", "sandbox"); err != nil {
				return usageError{err}
			}
			var list []api.Permission
			for _, p := range permissions {
				list = append(list, api.Permission(p))
			}
			token, err := server.CreateToken(*file, args[0], list, sandboxes)
			if err != nil {
				return usageError{err}
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), token)
			return err
		},
	}
	cmd.Flags().StringSliceVar(&permissions, "permission", []string{"view"}, "view, manage (connections, policies, making flows) or activate (segments, attributes, pausing); may be repeated")
	cmd.Flags().StringSliceVar(&sandboxes, "sandbox", nil, "sandbox that it is for; left out: all; may be repeated")
	return cmd
}

func tokenListCommand(file *string) *cobra.Command {
	cmd := &cobra.Command{
		Use: "list --token-file FILE", Short: "List tokens, without themselves", Args: usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if *file == "" {
				return errNoTokenFile
			}
			list, err := server.ReadTokens(*file)
			if err != nil {
				return usageError{err}
			}
			if len(list) == 0 {
				_, err := fmt.Fprintf(cmd.OutOrStdout(), "no tokens in %s; the create command makes one\n", *file)
				return err
			}
			w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			fmt.Fprintln(w, "NAME\tPERMISSIONS\tSANDBOXES\tCREATED")
			for _, t := range list {
				var permissions []string
				for _, p := range t.Permissions {
					permissions = append(permissions, string(p))
				}
				sandboxes := strings.Join(t.Sandboxes, ", ")
				if sandboxes == "" {
					sandboxes = "all"
				}
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", t.Name, strings.Join(permissions, ", "), sandboxes, t.CreatedAt)
			}
			return w.Flush()
		},
	}
	return cmd
}

func tokenRevokeCommand(file *string) *cobra.Command {
	cmd := &cobra.Command{
		Use: "revoke NAME --token-file FILE", Short: "Take a token out of the file", Args: usageArgs(cobra.ExactArgs(1)),
		RunE: func(_ *cobra.Command, args []string) error {
			if *file == "" {
				return errNoTokenFile
			}
			if err := server.RevokeToken(*file, args[0]); err != nil {
				return usageError{err}
			}
			return nil
		},
	}
	return cmd
}
