package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"

	"github.com/spf13/cobra"

	"kinesis-destination/cmd/internal/config"
	"kinesis-destination/cmd/internal/deadletters"
)

// redriveID is part of a group's name.
var redriveID = regexp.MustCompile(`^[a-zA-Z0-9._-]{0,100}$`)

func redriveCommand() *cobra.Command {
	var f letterFlags
	var o deadletters.RedriveOptions
	var format, level string
	var ram memoryFlag
	cmd := &cobra.Command{
		Use:   "redrive -c destination.yaml [FILTER…]",
		Short: "Send dead letters through today's rules",
		Long: `Takes open letters through today's rules and consents and delivers what they export,
in order per identity. A letter is superseded, and not sent, when a newer event of
its identity leaves or has left: the source topic is read up to its end for that, and
again after each round. What is no longer in the source topic cannot be known: such a
letter is left unless --past-retention says that it may go.

A letter that fails again becomes a new one, with its original topic, partition and
offset; after --max-redrives failures (header x-redrives) it is left.

Settled letters are remembered, so that the same command goes on where an earlier one
was ended; after a kill at most 2,000 letters are sent once more. Another --id knows
nothing of what is settled under others. Exit 1 when it was interrupted.

With -o json: {selected, delivered, filtered, deadLettered, superseded, left,
caughtUp, dryRun, seconds}.`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			found, err := f.config()
			if err != nil {
				return err
			}
			if !redriveID.MatchString(o.ID) || o.MaxRedrives < 1 {
				return wrongUse(cmd, fmt.Errorf("--id must be letters, digits, '.', '_' or '-', and --max-redrives at least 1"))
			}
			if o.By, err = byWhom(cmd, o.By); err != nil {
				return err
			}
			if o.Logger, err = logger(cmd.ErrOrStderr(), format, level); err != nil {
				return err
			}
			configs := []config.Config{*found}
			end, err := ram.apply(configs)
			if err != nil {
				return err
			}
			defer end()
			bar := newProgress(cmd.ErrOrStderr(), "letters")
			o.Filter, o.Progress = f.filter, bar.set
			account, err := deadletters.Redrive(cmd.Context(), &configs[0], o)
			bar.end()
			if account == nil {
				return err
			}
			if printed := writeRedriven(cmd.OutOrStdout(), account, f.output); err == nil {
				err = printed
			}
			return redriveEnd(cmd.Context(), account, err)
		},
	}
	f.bindFilter(cmd)
	bindBy(cmd, &o.By)
	cmd.Flags().StringVar(&o.ID, "id", "", "remember under this id what is settled")
	ram.bind(cmd)
	cmd.Flags().BoolVar(&o.DryRun, "dry-run", false, "only count what would become of the letters")
	cmd.Flags().IntVar(&o.MaxRedrives, "max-redrives", 3, "leave letters that failed again as often")
	cmd.Flags().BoolVar(&o.PastRetention, "past-retention", false, "also send letters whose later events may be gone from the source topic")
	cmd.Flags().StringVar(&format, "log-format", "text", "text or json")
	cmd.Flags().StringVar(&level, "log-level", "warn", "debug, info, warn or error")
	return cmd
}

// redriveEnd says how far a redrive came that ended early.
func redriveEnd(ctx context.Context, account *deadletters.Redriven, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil && errors.Is(err, context.Canceled):
		return stoppedError(fmt.Sprintf("%d of %d letters delivered; the same command goes on from here", account.Delivered, account.Selected))
	}
	return fmt.Errorf("ended early; the same command goes on from here: %w", err)
}

func writeRedriven(w io.Writer, a *deadletters.Redriven, output string) error {
	if output == outputJSON {
		return writeJSON(w, a)
	}
	var l lines
	l.WriteString(dryNote(a.DryRun))
	l.add("selected", a.Selected)
	l.add("= delivered", a.Delivered)
	l.reasons("+ filtered: ", a.Filtered)
	l.reasons("+ dead-lettered again: ", a.DeadLettered)
	l.reasons("+ left: ", a.Left)
	l.add("+ superseded", a.Superseded)
	l.add("newer events put once more", a.CaughtUp)
	fmt.Fprintf(&l, "in %.1f s\n", a.Seconds)
	return l.print(w)
}
