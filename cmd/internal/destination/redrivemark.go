package destination

import (
	"context"
	"fmt"

	"kinesis-destination/consumer"
)

// The mark of a redrive is the offset 1 or 0 of a group of its own: what is
// settled is kept beside the offsets of another.

// readMark looks whether an earlier process was killed amid a round.
func (r *redrive) readMark(ctx context.Context) error {
	if r.o.DryRun || len(r.ranges) == 0 {
		return nil
	}
	var err error
	if r.marks, err = r.history.Checkpoints(ctx, letterGroup(r.config, r.o.ID)+".round"); err != nil {
		return err
	}
	for _, c := range r.marks.All() {
		r.marked = r.marked || c.Next > 0
	}
	if r.marked {
		r.doubtful = map[identity]int64{}
	}
	return nil
}

// mark implements roundKeeper.
func (r *redrive) mark(ctx context.Context, open bool) error {
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
func (r *redrive) doubtAll() {
	for id, offset := range r.doubtful {
		if r.later.standing(id, offset, true) == superseded {
			r.doubt(id, offset)
			r.later.lookAgain(id.part, offset+1)
		}
	}
}
