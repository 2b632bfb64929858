//go:build release

package main

import (
	"errors"

	"github.com/spf13/cobra"
)

// demoCommand says where the demo is: the embedded servers that it needs are not in a
// release, which is 5 MB smaller without them, and has nothing in it that only plays.
func demoCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "demo",
		Short: "Not in a release: the source has it, with embedded servers",
		Long: `A release has no embedded servers. From a clone of the source, with Go and make:

    make demo

or without make: go run ./cmd/kinesis-destination demo`,
		Args: cobra.ArbitraryArgs, DisableFlagParsing: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return wrongUse(cmd, errors.New("this is a release, which has no embedded servers: run 'make demo' in a clone of the source (or 'go run ./cmd/kinesis-destination demo')"))
		},
	}
}
