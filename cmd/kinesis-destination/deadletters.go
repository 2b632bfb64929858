package main

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"kinesis-destination/cmd/internal/config"
	"kinesis-destination/cmd/internal/deadletters"
	"kinesis-destination/consumer"
)

func deadLettersCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "dead-letters",
		Short: "List, show, redrive or drop dead letters",
		Long: `What could not be delivered is on the dead-letter topic. A letter is open until it
is redriven or dropped; which ones are settled is kept as the offsets of the group
<source group>.dead-letters, so that nothing is redriven twice.`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(listLettersCommand(), showLetterCommand(), redriveCommand(), dropLettersCommand())
	return cmd
}

// letterFlags are what the subcommands have in common.
type letterFlags struct {
	file, output      string
	since, until      string
	partition, offset int64
	filter            deadletters.Filter
	flags             *pflag.FlagSet // with filters; nil: there are none
}

func (f *letterFlags) bind(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&f.file, "config", "c", "", "destination's configuration file")
	cmd.Flags().StringVarP(&f.output, "output", "o", outputText, "text or json")
	cmd.Flags().Int64Var(&f.partition, "partition", -1, "with --offset: the one letter there, on the dead-letter topic")
	cmd.Flags().Int64Var(&f.offset, "offset", -1, "with --partition")
}

func (f *letterFlags) bindFilter(cmd *cobra.Command) {
	f.bind(cmd)
	f.flags = cmd.Flags()
	cmd.Flags().StringSliceVar(&f.filter.Stages, "stage", nil, "decode, transform or sink; several separated by commas")
	cmd.Flags().StringSliceVar(&f.filter.Reasons, "reason", nil, "reasons, as list shows them")
	cmd.Flags().StringVar(&f.since, "since", "", "failed at this time or later: RFC 3339, a day, 1h for an hour ago, today or yesterday")
	cmd.Flags().StringVar(&f.until, "until", "", "failed before this time")
	cmd.Flags().StringVar(&f.filter.Identity, "identity", "", "of this partition key, profile id or Kafka key")
}

// config checks the flags and loads the file.
func (f *letterFlags) config() (*config.Config, error) {
	if err := checkOutput(f.output); err != nil {
		return nil, err
	}
	if (f.partition < 0) != (f.offset < 0) {
		return nil, usageError{errors.New("--partition and --offset go together, and must not be negative")}
	}
	if err := f.checkWords(); err != nil {
		return nil, usageError{err}
	}
	f.filter.One, f.filter.Partition, f.filter.Offset = f.partition >= 0, int(f.partition), f.offset
	for _, t := range []struct {
		flag, text string
		to         *time.Time
	}{{"--since", f.since, &f.filter.Since}, {"--until", f.until, &f.filter.Until}} {
		if t.text == "" {
			continue
		}
		at, err := consumer.ParseTime(t.text, time.Now())
		if err != nil {
			return nil, usageError{fmt.Errorf("%s: %w", t.flag, err)}
		}
		*t.to = at
	}
	if !f.filter.Until.IsZero() && f.filter.Until.Before(f.filter.Since) {
		return nil, usageError{fmt.Errorf("the range is upside down: --since %s comes after --until %s", at(f.filter.Since), at(f.filter.Until))}
	}
	if f.file == "" {
		return nil, errNoConfig
	}
	configs, err := load([]string{f.file})
	if err != nil {
		return nil, err
	}
	return &configs[0], nil
}

// checkWords refuses words that no letter has, and filters that say nothing: an
// empty variable of a script would choose all letters.
func (f *letterFlags) checkWords() error {
	if f.flags != nil {
		if err := saysNothing(f.flags, "choose all letters", "stage", "reason", "identity", "since", "until"); err != nil {
			return err
		}
	}
	return f.filter.Check()
}

func listLettersCommand() *cobra.Command {
	var f letterFlags
	var id string
	var newest int
	cmd := &cobra.Command{
		Use:   "list -c destination.yaml",
		Short: "Count the open dead letters by stage, reason and time",
		Long: `Reads the dead-letter topic and counts the letters that are neither redriven nor
dropped, by stage and reason and over time; then the newest one by one, and what is on
the topic and is no letter of this destination.`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			config, err := f.config()
			if err != nil {
				return err
			}
			if newest < 0 {
				return wrongUse(cmd, errors.New("--newest must not be negative"))
			}
			list, err := deadletters.ListAll(cmd.Context(), config, id, f.filter, newest)
			if err != nil {
				return err
			}
			if f.output == outputJSON {
				return writeJSON(cmd.OutOrStdout(), list)
			}
			return writeLetterList(cmd.OutOrStdout(), list)
		},
	}
	f.bindFilter(cmd)
	cmd.Flags().StringVar(&id, "id", "", "what is open to the redrive under this id")
	cmd.Flags().IntVar(&newest, "newest", 10, "how many to list one by one")
	return cmd
}

func showLetterCommand() *cobra.Command {
	var f letterFlags
	var reveal bool
	cmd := &cobra.Command{
		Use:   "show -c destination.yaml --partition P --offset N",
		Short: "Show one dead letter",
		Long: `Shows what the headers say, the event where it can be decoded, and what today's
rules make of it. Key, header values, attributes and identities are masked unless
--reveal is given.`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			config, err := f.config()
			if err != nil {
				return err
			}
			if !f.filter.One {
				return wrongUse(cmd, errors.New("give the letter's --partition and --offset, as list shows them"))
			}
			shown, err := deadletters.Show(cmd.Context(), config, f.filter.Partition, f.offset, reveal)
			if err != nil {
				return err
			}
			if f.output == outputJSON {
				return writeJSON(cmd.OutOrStdout(), shownJSON(shown))
			}
			return writeLetter(cmd.OutOrStdout(), shown)
		},
	}
	f.bind(cmd)
	cmd.Flags().BoolVar(&reveal, "reveal", false, "show personal data")
	return cmd
}

func dropLettersCommand() *cobra.Command {
	var f letterFlags
	var all, dry bool
	var by string
	cmd := &cobra.Command{
		Use:   "drop -c destination.yaml (--all | FILTER…)",
		Short: "Give dead letters up",
		Long: `Settles letters without sending them: they are never listed or redriven again. Kafka
can only erase from the beginning of a partition, so what lies before the first open
letter is erased now, redriven letters included; dropped letters behind an open one
lie there until that is settled and drop is called again, or until the topic's
retention ends them.

What is no letter of this destination is kept, --all or not, unless it is named: by
--reason foreign (no letter, or a damaged one), --reason other-destination (another
destination's letter), or --partition and --offset. It is erased where Kafka can.`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			config, err := f.config()
			if err != nil {
				return err
			}
			if all != f.filter.Empty() {
				return wrongUse(cmd, errors.New("say which letters to drop, by a filter, or give --all"))
			}
			if by, err = byWhom(cmd, by); err != nil {
				return err
			}
			log, err := logger(cmd.ErrOrStderr(), "text", "warn")
			if err != nil {
				return err
			}
			dropped, err := deadletters.Drop(cmd.Context(), config, deadletters.DropOptions{Filter: f.filter, DryRun: dry, By: by, Logger: log})
			if err != nil {
				return err
			}
			if f.output == outputJSON {
				return writeJSON(cmd.OutOrStdout(), dropped)
			}
			text := fmt.Sprintf("%s%-28s %9d\n%-28s %9d\n", dryNote(dry), "dropped", dropped.Dropped, "erased from Kafka", dropped.Erased)
			if dropped.Behind > 0 {
				text += fmt.Sprintf("%-28s %9d\n", "foreign behind open letters", dropped.Behind)
			}
			_, err = io.WriteString(cmd.OutOrStdout(), text)
			return err
		},
	}
	f.bindFilter(cmd)
	bindBy(cmd, &by)
	cmd.Flags().BoolVar(&all, "all", false, "all open letters")
	cmd.Flags().BoolVar(&dry, "dry-run", false, "only count")
	return cmd
}
