package deadletters

import (
	"context"
	"fmt"

	"kinesis-destination/cmd/internal/config"
	"kinesis-destination/cmd/internal/resend"
	"kinesis-destination/consumer"
)

// The mark of a redrive is the offset 1 or 0 of a group of its own: what is
// settled is kept beside the offsets of another.

// readMark looks whether an earlier process was killed amid a round.
func (r *RedriveJob) readMark(ctx context.Context) error {
	if r.o.DryRun || len(r.ranges) == 0 {
		return nil
	}
	var err error
	if r.marks, err = r.history.Checkpoints(ctx, config.SettledGroup(r.Config, r.o.ID)+".round"); err != nil {
		return err
	}
	for _, c := range r.marks.All() {
		r.Marked = r.Marked || c.Next > 0
	}
	if r.Marked {
		r.doubtful = map[resend.Identity]int64{}
	}
	return nil
}

// Mark implements Keeper.
func (r *RedriveJob) Mark(ctx context.Context, open bool) error {
	c := consumer.Checkpoint{Topic: r.ranges[0].Topic}
	if open {
		c.Next = 1
	}
	if err := r.marks.Commit(ctx, c); err != nil {
		return fmt.Errorf("mark a round: %w", err)
	}
	return nil
}

// doubtAll has the first round's end look for what is newer than the letters that
// an earlier process may have put.
func (r *RedriveJob) doubtAll() {
	for id, offset := range r.doubtful {
		if r.later.standing(id, offset, true) == superseded {
			r.Doubt(id, offset)
			r.later.LookAgain(id.TopicPartition, offset+1)
		}
	}
}
