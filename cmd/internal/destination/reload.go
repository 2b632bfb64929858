package destination

import (
	"context"
	"errors"
	"slices"
	"time"

	"kinesis-destination/cmd/internal/config"
	"kinesis-destination/cmd/internal/rules"
	"kinesis-destination/sink/deadletter"
)

// RefusedReload is a new configuration that was not taken.
type RefusedReload struct {
	At       time.Time `json:"at"`
	Problems []string  `json:"problems"`
}

// reloadLoop reads the configurations again whenever it is asked to, until ctx ends.
func reloadLoop(ctx context.Context, destinations []*Destination, ask <-chan struct{}) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-ask:
		}
		for _, d := range destinations {
			d.reload(ctx)
		}
	}
}

// reload puts the rules in force that the destination's file now holds. A file
// with a mistake, or with a change that needs a restart, changes nothing.
func (d *Destination) reload(ctx context.Context) {
	cfg, err := config.Load(d.config.File())
	if err == nil {
		if fixed := config.NeedRestart(&d.config, &cfg); len(fixed) > 0 {
			err = fixed
		}
	}
	if err == nil {
		err = d.change(ctx, cfg)
	}
	if err != nil {
		d.refuse(err)
	}
}

// change puts the rules of a configuration in force, between two events; the rest of it
// must be that of the destination. With an error, those in force stay.
func (d *Destination) change(ctx context.Context, cfg config.Config) error {
	next, err := d.nextRules(ctx, cfg)
	if err != nil {
		return err
	}
	d.mu.Lock()
	d.refused = nil
	d.mu.Unlock()
	if next == nil {
		d.log.Info("configuration read again: the rules are the same")
		return nil
	}
	d.segments.begin(next, d.account.consumed.Load(), time.Now())
	d.pipeline.change(next)
	d.log.Info("rules changed", "version", next.Version, "hash", next.Hash)
	return nil
}

// nextRules are the rules of a configuration; nil when they are those in force.
func (d *Destination) nextRules(ctx context.Context, cfg config.Config) (*rules.Ruleset, error) {
	cfg.Source.Kept = d.config.Source.Kept
	current := d.pipeline.rules.Load()
	next, err := rules.New(&cfg, current.Version+1)
	if err != nil || next.Hash == current.Hash {
		return nil, err
	}
	next.Violated, next.Tallies = d.violated(next), d.segments.tallied(next)
	config.Warn(d.log, cfg.RuleWarnings())
	return next, rules.CheckBeforeStart(ctx, &cfg, next, d.pipeline.decoder, d.dial, d.log)
}

// refuse keeps the rules in force and says why, once for the same reasons.
func (d *Destination) refuse(err error) {
	problems := []string{deadletter.Brief(err.Error())}
	if all := config.Problems(nil); errors.As(err, &all) {
		problems = nil
		for _, p := range all {
			problems = append(problems, deadletter.Brief(p.Error()))
		}
	}
	d.mu.Lock()
	known := d.refused != nil && slices.Equal(d.refused.Problems, problems)
	if !known {
		d.refused = &RefusedReload{At: time.Now(), Problems: problems}
	}
	d.mu.Unlock()
	if !known {
		d.log.Error("new configuration refused; the rules in force stay", "version", d.pipeline.rules.Load().Version, "problems", problems)
	}
}

// Rules tells which rules are in force, and which newer ones were refused.
func (d *Destination) Rules() (rules.Revision, *RefusedReload) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.pipeline.rules.Load().Revision, d.refused
}
