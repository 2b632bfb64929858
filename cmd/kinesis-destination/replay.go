package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"kinesis-destination/cmd/internal/config"
	"kinesis-destination/cmd/internal/replay"
	"kinesis-destination/consumer"
)

// replayFlags are what replay is told beside its options.
type replayFlags struct {
	replay.Options
	file, from, to, output, format, level string
	ram                                   memoryFlag
}

func replayCommand() *cobra.Command {
	var f replayFlags
	cmd := &cobra.Command{
		Use:   "replay -c destination.yaml --from T --to T",
		Short: "Send a part of the topic once more",
		Long: `Sends the events of a range once more, through today's rules, in the order of their
partitions. The running processes and their offsets are not touched. T is earliest,
latest (as it is now), a time (RFC 3339; a day; 1h for an hour ago; today, yesterday),
or offsets as partition=offset,….

Beside running processes a replay of all events leaves old states after newer ones, and
is refused without --beside-live. With --latest-only each identity's newest event in the range leaves alone, and only
where the topic has no newer one of it that leaves: an old state is never the last.
--segment ID: only events of profiles that the activated segment lists, whatever the
status. --members: each identity that is in it, or in any activated segment, leaves as it
is now, whatever its newest event changed, as a backfill exports it. --stream NAME: to another stream of the region. What cannot be delivered goes
to the dead-letter topic, whatever the stream.

Where letters of the destination were dropped or redriven, an event that cannot be
exported ends the replay, as it would make such a letter anew: --letters skip leaves
such events out, --letters write has letters of them.

How far it is, is kept as the offsets of the group <source group>.replay.<id>. The same
command with the same --id goes on where an earlier one ended, however that ended; after
a kill at most 10,000 events are sent once more. Exit 1 when it was interrupted.

--dry-run sends and keeps nothing: it counts, and estimates the time that the stream's
shards need at least, and what Kinesis charges for the records by its list prices.

With -o json: {consumed, delivered, filtered, deadLettered, caughtUp, seconds}, and for
--dry-run estimate {records, bytes, segments, shards, onDemand, seconds, usd, prices}.
The counts are of the whole replay under its id, seconds of this run.`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			config, err := f.check(cmd)
			if err != nil {
				return err
			}
			end, err := f.ram.apply(config)
			if err != nil {
				return err
			}
			defer end()
			return f.replay(cmd, &config[0])
		},
	}
	flags := cmd.Flags()
	flags.StringVarP(&f.file, "config", "c", "", "destination's configuration file")
	flags.StringVar(&f.from, "from", "", "where the range begins")
	flags.StringVar(&f.to, "to", "", "where it ends")
	flags.StringVar(&f.Segment, "segment", "", "only events that list this activated segment, by its id")
	flags.BoolVar(&f.LatestOnly, "latest-only", false, "only each identity's newest event")
	flags.BoolVar(&f.Members, "members", false, "each identity that is in --segment, or in any activated one, as it is now")
	f.ram.bind(cmd)
	bindBy(cmd, &f.By)
	flags.Float64Var(&f.Rate, "rate", 0, "records a second; 0: as many as the stream takes")
	flags.BoolVar(&f.DryRun, "dry-run", false, "only count and estimate")
	flags.BoolVar(&f.BesideLive, "beside-live", false, "send all events though processes of the destination run")
	flags.StringVar(&f.Letters, "letters", "", "of events that cannot be exported, where letters were dropped or redriven: write or skip")
	flags.StringVar(&f.Stream, "stream", "", "another stream than the configuration's, by name or ARN")
	flags.StringVar(&f.ID, "id", "", "keep under this id how far it is, or go on with it")
	flags.StringVarP(&f.output, "output", "o", outputText, "text or json")
	flags.StringVar(&f.format, "log-format", "text", "text or json")
	flags.StringVar(&f.level, "log-level", "warn", "debug, info, warn or error")
	return cmd
}

// check reads the flags, and the configuration that they name.
func (f *replayFlags) check(cmd *cobra.Command) ([]config.Config, error) {
	if err := checkOutput(f.output); err != nil {
		return nil, err
	}
	if f.from == "" || f.to == "" {
		return nil, wrongUse(cmd, errors.New("give --from and --to"))
	}
	for name, would := range map[string]string{"segment": "send the events of all", "stream": "send to the configuration's stream"} {
		if err := saysNothing(cmd.Flags(), would, name); err != nil {
			return nil, usageError{err}
		}
	}
	var err error
	if f.From, f.To, err = parseRange(f.from, f.to, time.Now()); err != nil {
		return nil, err
	}
	switch {
	case f.Letters != replay.LettersAsk && f.Letters != replay.LettersSkip && f.Letters != replay.LettersWrite:
		return nil, wrongUse(cmd, fmt.Errorf("--letters %q: must be write or skip", f.Letters))
	case !redriveID.MatchString(f.ID):
		return nil, wrongUse(cmd, errors.New("--id must be letters, digits, '.', '_' or '-'"))
	case !(f.Rate >= 0) || math.IsInf(f.Rate, 1): // also NaN, which is neither
		return nil, wrongUse(cmd, fmt.Errorf("--rate %v: must be a number of records a second; 0: as many as the stream takes", f.Rate))
	}
	if f.file == "" {
		return nil, errNoConfig
	}
	if f.By, err = byWhom(cmd, f.By); err != nil {
		return nil, err
	}
	if f.Logger, err = logger(cmd.ErrOrStderr(), f.format, f.level); err != nil {
		return nil, err
	}
	return load([]string{f.file})
}

// parseRange reads where a range begins and ends.
func parseRange(from, to string, now time.Time) (begin, end consumer.Place, err error) {
	if begin, err = consumer.ParsePlace(from, now); err != nil {
		return begin, end, usageError{fmt.Errorf("--from: %w", err)}
	}
	if end, err = consumer.ParsePlace(to, now); err != nil {
		return begin, end, usageError{fmt.Errorf("--to: %w", err)}
	}
	if end.Before(begin) {
		return begin, end, usageError{fmt.Errorf("the range is upside down: --from %s comes after --to %s", begin, end)}
	}
	return begin, end, nil
}

func (f *replayFlags) replay(cmd *cobra.Command, config *config.Config) error {
	if err := replay.CheckSegment(config, f.Segment); err != nil {
		return err
	}
	begun := func() {} // says how to go on, once there is something to go on with
	if f.ID == "" && !f.DryRun {
		f.ID = replay.NewReplayID(time.Now())
		begun = sync.OnceFunc(func() {
			fmt.Fprintf(cmd.ErrOrStderr(), "replay %s: should it be interrupted, give --id %s to go on\n", f.ID, f.ID)
		})
	}
	if !f.LatestOnly && !f.Members && !f.DryRun && f.Stream == "" {
		fmt.Fprintf(cmd.ErrOrStderr(), "note: on stream %s old states will stand after newer ones; --latest-only sends none\n", config.Target.Kinesis.Stream)
	}
	bar := newProgress(cmd.ErrOrStderr(), "offsets")
	f.Progress = func(done, total int64) {
		begun()
		bar.set(done, total)
	}
	account, err := replay.Run(cmd.Context(), config, f.Options)
	bar.end()
	if errors.Is(err, replay.ErrOtherReplay) || errors.Is(err, replay.ErrBesideLive) || errors.Is(err, consumer.ErrNoPartition) {
		return usageError{err}
	}
	if account == nil {
		return err
	}
	if printed := writeReplayed(cmd.OutOrStdout(), account, f.output); err == nil {
		err = printed
	}
	if err != nil && !f.DryRun && cmd.Context().Err() != nil && errors.Is(err, context.Canceled) {
		return stoppedError(fmt.Sprintf("%d delivered, %d filtered, %d dead-lettered; the same command with --id %s goes on from here",
			account.Delivered, total(account.Filtered), total(account.DeadLettered), f.ID))
	}
	if err != nil && !f.DryRun {
		err = fmt.Errorf("ended early; the same command with --id %s goes on from here: %w", f.ID, err)
	}
	return err
}

func writeReplayed(w io.Writer, a *replay.Result, output string) error {
	if output == outputJSON {
		return writeJSON(w, a)
	}
	var l lines
	l.WriteString(dryNote(a.Estimate != nil))
	l.add("events", a.Consumed)
	l.add("= delivered", a.Delivered)
	l.reasons("+ filtered: ", a.Filtered)
	l.reasons("+ dead-lettered: ", a.DeadLettered)
	if rest := a.Unaccounted(); rest != 0 {
		l.add("+ interrupted", rest)
	}
	if a.CaughtUp > 0 {
		l.add("newer events put once more", a.CaughtUp)
	}
	fmt.Fprintf(&l, "in %.1f s\n", a.Seconds)
	if a.Estimate != nil {
		writeEstimate(&l, a.Estimate)
	}
	return l.print(w)
}

func writeEstimate(l *lines, e *replay.Estimate) {
	fmt.Fprintf(l, "\nit would put %d records, %.1f MB\n", e.Records, float64(e.Bytes)/1e6)
	l.reasons("segment ", e.Segments)
	if e.Seconds > 0 {
		fmt.Fprintf(l, "in at least %s, at the limits of %d shards with nothing else on them\n",
			time.Duration(e.Seconds*float64(time.Second)).Round(100*time.Millisecond), e.Shards)
	}
	cost := fmt.Sprintf("about $%.2f", e.USD)
	if e.USD < .01 {
		cost = "less than $0.01"
	}
	fmt.Fprintf(l, "for %s (%s)\n", cost, e.Prices)
}
