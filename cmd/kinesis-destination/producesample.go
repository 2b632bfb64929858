package main

import (
	"errors"
	"fmt"
	"math"

	"github.com/spf13/cobra"

	"kinesis-destination/cmd/internal/sample"
)

func produceSampleCommand() *cobra.Command {
	var file string
	var o sample.Options
	cmd := &cobra.Command{
		Use:   "produce-sample -c destination.yaml",
		Short: "Write made-up events to the destination's topic",
		Long: `Makes events up by the destination's schema, the registry's newest or schemaFile, and
writes them to its topic: profiles qualify for the activated segments and fall out of
them, and their mapped attributes and identities change. A topic that is not there is
made. One that has others' messages is refused unless --append allows it.

--register FILE.avsc first registers a schema for the topic. The explain command prints
one such event, to look at and to change by hand.`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if file == "" {
				return errNoConfig
			}
			switch {
			case o.Count < 0:
				return wrongUse(cmd, errors.New("--count must not be negative"))
			case !(o.Rate >= 0) || math.IsInf(o.Rate, 1): // also NaN, which is neither
				return wrongUse(cmd, errors.New("--rate must not be negative"))
			case o.Profiles < 1 || o.Profiles > 1_000_000:
				return wrongUse(cmd, errors.New("--profiles must be between 1 and 1000000"))
			case o.Partitions < 1 || o.Partitions > 10_000:
				return wrongUse(cmd, errors.New("--partitions must be between 1 and 10000"))
			}
			configs, err := load([]string{file})
			if err != nil {
				return err
			}
			o.Note = func(text string) { fmt.Fprintln(cmd.ErrOrStderr(), text) }
			written, err := sample.Produce(cmd.Context(), &configs[0], o)
			if errors.Is(err, sample.ErrOthers) || errors.Is(err, sample.ErrUnfit) {
				return usageError{err}
			}
			if cmd.Context().Err() != nil && errors.Is(err, cmd.Context().Err()) && o.Count == 0 {
				err = nil // that is how it ends
			}
			if written > 0 || err == nil {
				fmt.Fprintf(cmd.OutOrStdout(), "%d events written\n", written)
			}
			return err
		},
	}
	flags := cmd.Flags()
	flags.StringVarP(&file, "config", "c", "", "destination's configuration file")
	flags.StringVar(&o.Topic, "topic", "", "another topic than the configuration's first")
	flags.IntVar(&o.Count, "count", 100, "how many events; 0: until it is interrupted")
	flags.Float64Var(&o.Rate, "rate", 0, "events a second; 0: as fast as it goes")
	flags.IntVar(&o.Profiles, "profiles", 20, "of how many profiles")
	flags.Uint64Var(&o.Seed, "seed", 1, "the same seed gives the same events")
	flags.IntVar(&o.Partitions, "partitions", 6, "of a topic that has to be made")
	flags.StringVar(&o.Register, "register", "", "schema (.avsc) to register for the topic first")
	flags.BoolVar(&o.Append, "append", false, "also to a topic that has messages of others")
	return cmd
}
