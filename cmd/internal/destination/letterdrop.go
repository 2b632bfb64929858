package destination

import "context"

// DropOptions are what a drop is asked for.
type DropOptions struct {
	Filter LetterFilter
	DryRun bool
}

// Dropped is the account of a drop.
type Dropped struct {
	Dropped int64 `json:"dropped"` // settled now; never listed or redriven again
	// Erased is how many messages Kafka let go of: those before the first letter
	// of a partition that is open. The others lie there until those before them
	// are settled, or the topic's retention ends them.
	Erased int64 `json:"erased"`
	DryRun bool  `json:"dryRun"`
}

// DropLetters settles letters without sending them, and has Kafka erase what it
// can: Kafka deletes from the beginning of a partition only.
func DropLetters(ctx context.Context, config *Config, o DropOptions) (*Dropped, error) {
	b, err := openLetters(ctx, config, "")
	if err != nil {
		return nil, err
	}
	defer b.close()
	account := &Dropped{DryRun: o.DryRun}
	if err := b.first(ctx, func(l *Letter) error {
		ok, err := b.selected(ctx, &o.Filter, l)
		if err != nil || !ok {
			return err
		}
		account.Dropped++
		b.ledger.Settle(config.DeadLetter.Topic, l.Partition, l.Offset)
		return nil
	}); err != nil {
		return nil, err
	}
	if !o.DryRun {
		if err := b.ledger.Commit(ctx); err != nil {
			return nil, err
		}
	}
	for _, r := range b.ranges {
		before := b.ledger.Next(r.Topic, r.Partition)
		if foreign, ok := b.foreign[r.Partition]; ok {
			before = min(before, foreign)
		}
		if before <= r.From {
			continue
		}
		if !o.DryRun {
			if err := b.history.Erase(ctx, r.Topic, r.Partition, before); err != nil {
				return account, err
			}
		}
		account.Erased += before - r.From
	}
	return account, nil
}
