package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"kinesis-destination/cmd/internal/lag"
	"kinesis-destination/cmd/internal/terminal"
)

const (
	// outputTable is what lag and dead-letters print when nothing else is asked for.
	outputTable = "table"
	// rateWindow is over how long rates are told: some commits, of one a second.
	rateWindow = 30 * time.Second
)

// lagFlags is what the command line asks for.
type lagFlags struct {
	files    []string
	output   string
	watch    bool
	interval time.Duration
}

func lagCommand() *cobra.Command {
	var f lagFlags
	cmd := &cobra.Command{
		Use:   "lag -c destination.yaml [-c another.yaml …]",
		Short: "Show how far behind each partition is, in events and in time",
		Long: `For each partition: the committed offset, the end, the events between them, the age
of the oldest event that is not settled, the rate at which events settle, when the
lag will be gone at that rate ("keeping up": what is behind is only what is under way),
and whether the partition is held. Asks Kafka, so it is right also when nothing runs.
What is held is known only to the running processes: the one on server.listen is asked,
and the group's other members at the same port of the address that they joined from. Of
one that does not answer its address is shown; "read by nobody" is no member's. Without
server.tls, server.token goes to no other machine but the host of server.listen, as
whoever may join the group could take it: what such a member holds is then not known.

The end is the last stable offset: events of a transaction that is still open are
not counted. Events are counted by offset, as kafka-consumer-groups does. A group
that has committed nothing is shown from where it would begin (source.kafka.start).

A table takes two samples, --interval apart, to tell the rate. With --watch it goes
on, redrawn on a terminal, until it is interrupted.

With -o json: a list of {destination, group, topic, partition, committed, end, lag,
lagSeconds, held, member}; committed is -1 where there is none, held is "" for no and
null where no process says so; member is the address of the one that has the partition,
unasked why it could not be asked. Where Kafka does not tell how far a partition goes (it has no leader,
say), end and lag are -1 and unknown says why. With --watch, one list a line.

An event without a time (Kafka's -1) has no age.`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.output != outputTable && f.output != outputJSON {
				return usageError{errors.New("-o must be table or json")}
			}
			if f.interval <= 0 {
				return usageError{errors.New("--interval must be above 0")}
			}
			configs, err := load(f.files)
			if err != nil {
				return err
			}
			meter, err := lag.NewMeter(configs)
			if err != nil {
				return err
			}
			defer meter.Close()
			return f.run(cmd.Context(), cmd.OutOrStdout(), meter)
		},
	}
	cmd.Flags().StringArrayVarP(&f.files, "config", "c", nil, "destination's configuration file; may be repeated")
	cmd.Flags().StringVarP(&f.output, "output", "o", outputTable, "table or json")
	cmd.Flags().BoolVar(&f.watch, "watch", false, "go on until interrupted")
	cmd.Flags().DurationVar(&f.interval, "interval", 2*time.Second, "time between two samples")
	return cmd
}

func (f *lagFlags) run(ctx context.Context, w io.Writer, meter *lag.Meter) error {
	var samples []lag.Sample
	tick := time.NewTicker(f.interval)
	defer tick.Stop()
	for {
		sample, err := meter.Measure(ctx)
		switch {
		case err != nil && f.watch && ctx.Err() != nil:
			return nil // interrupted: the end of a watch
		case err != nil:
			return err
		}
		for samples = append(samples, sample); sample.At.Sub(samples[0].At) > rateWindow; {
			samples = samples[1:]
		}
		if f.watch || f.output == outputJSON || len(samples) == 2 {
			if err := f.print(w, samples); err != nil {
				return err
			}
			if !f.watch {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			if f.watch {
				return nil
			}
			return ctx.Err()
		case <-tick.C:
		}
	}
}

func (f *lagFlags) print(w io.Writer, samples []lag.Sample) error {
	if f.output == outputJSON {
		rows := samples[len(samples)-1].Rows
		if f.watch { // one line each time
			return json.NewEncoder(w).Encode(rows)
		}
		return writeJSON(w, rows)
	}
	if f.watch {
		before := samples[len(samples)-1].At.UTC().Format(time.RFC3339) + "\n"
		if isTerminal(w) {
			before = "\x1b[H\x1b[2J" + before // home, and clear
		}
		if err := terminal.Control(w, before); err != nil {
			return fmt.Errorf("print the table: %w", err)
		}
	}
	return lag.Write(w, samples)
}
