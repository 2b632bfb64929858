package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"kinesis-destination/cmd/internal/resend"
)

// bindBy adds --by to a command that changes what readers see.
func bindBy(cmd *cobra.Command, by *string) {
	cmd.Flags().StringVar(by, "by", "", "who has this done, kept and logged (default user@host)")
}

// byWhom is who has a command done.
func byWhom(cmd *cobra.Command, by string) (string, error) {
	if err := resend.CheckBy(by); err != nil {
		return "", wrongUse(cmd, fmt.Errorf("--by %w", err))
	}
	if by == "" {
		by = resend.ThisUser()
	}
	return by, nil
}
