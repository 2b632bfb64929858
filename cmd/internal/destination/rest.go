package destination

import (
	"context"
	"time"

	"kinesis-destination/cmd/internal/config"
	"kinesis-destination/cmd/internal/deadletters"
	"kinesis-destination/consumer"
)

// rest keeps alive what Kafka has of a flow that does not run, until that changes or ctx
// ends: offsets of a group without members are forgotten after a week, and with them
// where the flow goes on, which segments are known and which letters are settled. Each
// process does it; they write the same. While another one still runs the flow, Kafka
// refuses it, and there is the next look.
func (f *flow) rest(ctx context.Context, cfg config.Config) {
	look := time.NewTicker(deadletters.KeepLook)
	defer look.Stop()
	var told time.Time
	for {
		if time.Since(told) >= deadletters.KeepFor {
			if err := f.fleet.keepOffsets(ctx, &cfg); err == nil {
				told = time.Now()
			} else if ctx.Err() == nil {
				f.o().Logger.Debug("the offsets of a stopped flow are not kept yet", "destination", f.id, "error", err)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-f.changed:
			f.signal()
			return
		case <-look.C:
		}
	}
}

// restingAtOnce is how many stopped flows have connections to keep their offsets: a
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
		checkpoints, err := kept.of.Checkpoints(ctx, kept.group)
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
