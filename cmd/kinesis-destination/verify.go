package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"kinesis-destination/cmd/internal/terminal"
	"kinesis-destination/cmd/internal/verify"
	"kinesis-destination/consumer"
)

func verifyCommand() *cobra.Command {
	var file, from, to, output string
	cmd := &cobra.Command{
		Use:   "verify -c destination.yaml --from T --to T",
		Short: "Compare the stream with the topic",
		Long: `Reads a range of the topic, makes of it what the configuration makes of it, reads
the stream back and compares: every record there, in the order of its identity.
Repetitions are counted and allowed, as after a crash. Only what the group has
committed is judged. Exit 1 when a record is missing or out of order.

T is earliest, latest, a time (RFC 3339; a day; 1h for an hour ago; today, yesterday),
or offsets as partition=offset,….`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkOutput(output); err != nil {
				return err
			}
			begin, end, err := parseRange(from, to, time.Now())
			if err != nil {
				return err
			}
			if file == "" {
				return usageError{errors.New("give the destination's configuration with -c destination.yaml")}
			}
			configs, err := load([]string{file})
			if err != nil {
				return err
			}
			v, err := verify.Run(cmd.Context(), &configs[0], begin, end)
			if err != nil {
				return err
			}
			if err := writeVerification(cmd.OutOrStdout(), v, output); err != nil {
				return err
			}
			if !v.OK() {
				return verify.ErrNotVerified
			}
			return nil
		},
	}
	cmd.Flags().StringVarP(&file, "config", "c", "", "destination's configuration file")
	cmd.Flags().StringVar(&from, "from", consumer.Earliest, "where the range begins")
	cmd.Flags().StringVar(&to, "to", consumer.Latest, "where it ends")
	cmd.Flags().StringVarP(&output, "output", "o", outputText, "text or json")
	return cmd
}

func writeVerification(w io.Writer, v *verify.Result, output string) error {
	if output == outputJSON {
		encoder := json.NewEncoder(w)
		encoder.SetIndent("", "  ")
		return encoder.Encode(v)
	}
	type line struct {
		what string
		n    int64
	}
	lines := []line{
		{"events in the range", v.Consumed},
		{"records expected", v.Expected},
		{"found", v.Found},
		{"missing", v.Missing},
		{"out of order", v.Reordered},
		{"repetitions", v.Duplicates},
		{"unknown records", v.Unknown},
	}
	for _, reason := range slices.Sorted(maps.Keys(v.Filtered)) {
		lines = append(lines, line{"filtered: " + reason, v.Filtered[reason]})
	}
	for _, reason := range slices.Sorted(maps.Keys(v.DeadLettered)) {
		lines = append(lines, line{"dead-lettered: " + reason, v.DeadLettered[reason]})
	}
	for _, l := range lines {
		if _, err := fmt.Fprintf(w, "%-36s %9d\n", l.what, l.n); err != nil {
			return err
		}
	}
	for _, u := range v.Undecided {
		if _, err := fmt.Fprintf(w, "not decided: %s\n", terminal.Indented(u)); err != nil {
			return err
		}
	}
	return nil
}
