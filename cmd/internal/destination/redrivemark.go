package destination

import (
	"context"
	"fmt"

	"kinesis-destination/consumer"
)

// A process that is killed amid a round may have put letters after newer events
// of their identities, and cannot repair that any more. So a mark is set before
// the first put, and taken away when the last round is repaired and kept: the
// offset 1 or 0 of a group of its own. A run that finds it set puts the newer
// events of all open letters' identities once more.

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

// mark notes whether a round is under way.
func (r *redrive) mark(ctx context.Context, open bool) error {
	if r.marked == open || r.marks == nil {
		return nil
	}
	c := consumer.Checkpoint{Topic: r.ranges[0].Topic}
	if open {
		c.Next = 1
	}
	if err := r.marks.Commit(ctx, c); err != nil {
		return fmt.Errorf("mark a round: %w", err)
	}
	r.marked = open
	return nil
}

// doubt has the first round's end look for what is newer than the letters that
// an earlier process may have put.
func (r *redrive) doubt() {
	for id, offset := range r.doubtful {
		if r.later.judge(id, offset, true) == superseded {
			r.round = append(r.round, putEvent{id, offset})
			r.later.lookAgain(id.part, offset+1)
		}
	}
}
