package deadletters

import (
	"context"
	"log/slog"

	"kinesis-destination/cmd/internal/config"
	"kinesis-destination/cmd/internal/letter"
	"kinesis-destination/cmd/internal/resend"
	"kinesis-destination/consumer"
)

// DropOptions are what a drop is asked for.
type DropOptions struct {
	Filter Filter
	DryRun bool
	By     string       // who has it done, which is kept; empty: nobody is named
	Logger *slog.Logger // nil: nothing is logged
}

// Dropped is the account of a drop.
type Dropped struct {
	// Dropped are letters that are settled now, never listed or redriven again, and
	// messages that are foreign and erased.
	Dropped int64 `json:"dropped"`
	// Erased is how many messages Kafka let go of: those before the first letter
	// of a partition that is open. The others lie there until those before them
	// are settled, or the topic's retention ends them.
	Erased int64 `json:"erased"`
	// Behind is how many foreign messages were chosen and lie behind an open letter:
	// as they are nobody's to settle, they are listed until Kafka can erase them.
	Behind int64 `json:"behind"`
	DryRun bool  `json:"dryRun"`
}

// dropping is a drop under way.
type dropping struct {
	*Store
	o       DropOptions
	account Dropped
	kept    map[int]int64   // per partition, the first foreign message that is not chosen
	foreign map[int][]int64 // those that are
}

// Drop settles letters without sending them, and has Kafka erase what it
// can: Kafka deletes from the beginning of a partition only. What is no letter of
// the destination is erased only where it was asked for.
func Drop(ctx context.Context, config *config.Config, o DropOptions) (*Dropped, error) {
	b, err := Open(ctx, config, "")
	if err != nil {
		return nil, err
	}
	defer b.Close()
	d := &dropping{Store: b, o: o, account: Dropped{DryRun: o.DryRun}, kept: map[int]int64{}, foreign: map[int][]int64{}}
	if err := b.first(ctx, func(l *letter.Letter) error { return d.letter(ctx, l) }, d.stranger); err != nil {
		return nil, err
	}
	if !o.DryRun {
		log := o.Logger
		if log == nil {
			log = slog.New(slog.DiscardHandler)
		}
		resend.NoteOperation(ctx, config.Source.Kafka, resend.Operation{What: "drop", By: o.By, Events: d.account.Dropped}, log)
		if err := b.ledger.Commit(ctx); err != nil {
			return nil, err
		}
	}
	for _, r := range b.ranges {
		if err := d.erase(ctx, r); err != nil {
			return &d.account, err
		}
	}
	return &d.account, nil
}

func (d *dropping) letter(ctx context.Context, l *letter.Letter) error {
	ok, err := d.selected(ctx, &d.o.Filter, l)
	if err != nil || !ok {
		return err
	}
	d.account.Dropped++
	d.ledger.Settle(d.Config.DeadLetter.Topic, l.Partition, l.Offset)
	return nil
}

func (d *dropping) stranger(m *consumer.Message, why string) {
	if d.o.Filter.choosesForeign(m, why) {
		d.foreign[m.Partition] = append(d.foreign[m.Partition], m.Offset)
	} else if _, ok := d.kept[m.Partition]; !ok {
		d.kept[m.Partition] = m.Offset
	}
}

// erase has Kafka let go of what nobody needs at the beginning of a partition.
func (d *dropping) erase(ctx context.Context, r consumer.Range) error {
	before := d.ledger.Next(r.Topic, r.Partition)
	if kept, ok := d.kept[r.Partition]; ok {
		before = min(before, kept)
	}
	if before > r.From && !d.o.DryRun {
		if err := d.history.Erase(ctx, r.Topic, r.Partition, before); err != nil {
			return err
		}
	}
	d.account.Erased += max(0, before-r.From)
	for _, offset := range d.foreign[r.Partition] {
		if offset < before {
			d.account.Dropped++
		} else {
			d.account.Behind++
		}
	}
	return nil
}
