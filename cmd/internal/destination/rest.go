package destination

import (
	"context"
	"time"

	"kinesis-destination/cmd/internal/config"
	"kinesis-destination/cmd/internal/deadletters"
	"kinesis-destination/consumer"
)

// keepFirst is when offsets are kept alive for the first time: other processes are still
// draining the flow before, and the offsets that are read now may be behind their last
// commit when they are committed anew.
const keepFirst = time.Minute

// keepAgain is when it is tried again to keep offsets: a small part of the week after
// which Kafka forgets them.
const keepAgain = time.Hour

// rest waits until the flow is to be something else, until it is time to try it again, or
// ctx ends. Meanwhile it keeps alive what Kafka has of the flow: offsets of a group without
// members are forgotten after a week, and with them where the flow goes on, which
// segments are known and which letters are settled. Each process does it; they write the
// same. Where another one still runs the flow, Kafka refuses it, and nothing has to be kept.
func (f *flow) rest(ctx context.Context, cfg config.Config, again <-chan time.Time) {
	for {
		var due <-chan time.Time // never, where it is not known what is to be kept
		if len(cfg.Source.Kafka.Brokers) > 0 {
			due = time.After(time.Until(f.keep))
		}
		select {
		case <-due:
			if f.keepUntil(ctx, &cfg, again) {
				continue
			}
		case <-again:
		case <-f.changed:
			f.signal()
		case <-ctx.Done():
		}
		return
	}
}

// keepUntil keeps the offsets alive; false: the rest is over, and it was cut off.
func (f *flow) keepUntil(ctx context.Context, cfg *config.Config, again <-chan time.Time) bool {
	keeping, stop := context.WithCancel(ctx)
	defer stop()
	kept := make(chan error, 1)
	go func() { kept <- f.fleet.keepOffsets(keeping, cfg) }()
	var err error
	rests := true
	select {
	case err = <-kept:
	case <-again:
		rests = false
	case <-f.changed:
		f.signal()
		rests = false
	}
	if !rests {
		stop()
		err = <-kept
	}
	f.keep = time.Now().Add(deadletters.KeepFor)
	if err != nil {
		f.keep = time.Now().Add(keepAgain)
	}
	if err != nil && rests && ctx.Err() == nil {
		f.o().Logger.Debug("the offsets of a flow that does not run are not kept yet", "destination", f.id, "error", err)
	}
	return rests
}

// restingAtOnce is how many flows at rest have connections to keep their offsets: a
// process may begin with thousands of them.
const restingAtOnce = 4

// keepOffsets commits anew what the groups of a destination have.
func (f *Fleet) keepOffsets(ctx context.Context, cfg *config.Config) error {
	select {
	case f.resting <- struct{}{}:
		defer func() { <-f.resting }()
	case <-ctx.Done():
		return ctx.Err()
	}
	source, err := consumer.NewHistory(cfg.Source.Kafka, f.o.Dial)
	if err != nil {
		return err
	}
	defer source.Close()
	letters, err := consumer.NewHistory(cfg.DeadLetterSource(), f.o.Dial)
	if err != nil {
		return err
	}
	defer letters.Close()
	for _, kept := range []struct {
		of    *consumer.History
		group string
	}{{source, cfg.Source.Kafka.Group}, {source, cfg.Source.Kafka.Group + ".backfill"}} {
		checkpoints, err := kept.of.CheckpointsOfPresent(ctx, kept.group)
		if err != nil {
			return err
		}
		if err := checkpoints.Commit(ctx, checkpoints.All()...); err != nil {
			return err
		}
	}
	// A topic of letters that is not there holds nothing that could come back.
	if settled, err := letters.Checkpoints(ctx, config.SettledGroup(cfg, "")); err == nil {
		return settled.Commit(ctx, settled.All()...)
	}
	return nil
}
