package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"kinesis-destination/cmd/internal/terminal"
	"kinesis-destination/cmd/internal/verify"
	"kinesis-destination/consumer"
)

func verifyCommand() *cobra.Command {
	var file, from, to, output string
	var list int
	cmd := &cobra.Command{
		Use:   "verify -c destination.yaml --from T --to T",
		Short: "Compare the stream with the topic",
		Long: `Reads a range of the topic, makes of it what the configuration makes of it, reads
the stream back and compares: every record there, in the order of its identity.
Repetitions are counted and allowed, as after a crash. Only what the group has
committed is judged. Exit 1 when a record is missing or out of order. Old states that
a replay of all events has left after newer ones are counted apart ("replayed"), as long
as Kafka knows of the replay.

--list N names the places of the first N of each kind: the event's topic, partition and
offset (explain takes these), and shard and sequence number in the stream.

T is earliest, latest, a time (RFC 3339; a day; 1h for an hour ago; today, yesterday),
or offsets as partition=offset,….`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkOutput(output); err != nil {
				return err
			}
			if list < 0 || list > maxPlaces {
				return usageError{fmt.Errorf("--list %d: must be between 0 and %d", list, maxPlaces)}
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
			v, err := verify.Run(cmd.Context(), &configs[0], begin, end, list)
			if errors.Is(err, consumer.ErrNoPartition) {
				return usageError{err}
			}
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
	cmd.Flags().IntVar(&list, "list", 0, "name the places of so many of each kind that is found")
	cmd.Flags().StringVarP(&output, "output", "o", outputText, "text or json")
	return cmd
}

func writeVerification(w io.Writer, v *verify.Result, output string) error {
	if output == outputJSON {
		return writeJSON(w, v)
	}
	var l lines
	l.add("events in the range", v.Consumed)
	l.add("records expected", v.Expected)
	l.add("found", v.Found)
	l.add("missing", v.Missing)
	l.add("out of order", v.Reordered)
	if v.Replayed > 0 {
		l.add("left by a replay", v.Replayed)
	}
	l.add("repetitions", v.Duplicates)
	l.add("unknown records", v.Unknown)
	l.reasons("filtered: ", v.Filtered)
	l.reasons("dead-lettered: ", v.DeadLettered)
	for _, u := range v.Undecided {
		fmt.Fprintf(&l, "not decided: %s\n", terminal.Indented(u))
	}
	for _, p := range v.Places {
		fmt.Fprintf(&l, "%s: %s\n", p.What, terminal.Indented(placeText(&p)))
	}
	return l.print(w)
}

// maxPlaces is more than anybody reads.
const maxPlaces = 100_000

func placeText(p *verify.Place) string {
	var parts []string
	if p.Topic != "" {
		parts = append(parts, strings.TrimSpace(fmt.Sprintf("%s/%d at offset %d %s", p.Topic, p.Partition, p.Offset.Offset, p.Why)))
	}
	if p.InStream != "" {
		parts = append(parts, "in the stream at "+p.InStream)
	}
	return strings.Join(parts, ", ")
}
