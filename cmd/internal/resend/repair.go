package resend

import (
	"context"
	"time"
)

// A repair pauses before it looks whether live traffic has gone on: not at first, then longer
// each time, so that of every identity an event comes within a pause, or none for a whole turn.
const repairPause, longestRepairPause = 20 * time.Millisecond, time.Second

// looker reads the source topics on, see [Tail.Look].
type looker interface {
	Look(ctx context.Context, sent map[Identity]int64) (newer map[Identity]*NewerEvent, whole bool, err error)
}

// repair puts the newest events of the identities in sent where they are newer than what was,
// so that no older state stands after a newer one. What was put is at rest before it and after.
// An identity needs no more once
//   - nothing newer stood up to the topic's end at a moment when all was at rest, or
//   - an event of it was written after such a moment: live traffic delivers that last.
//
// So the repair ends beside identities that never rest, too.
func repair(ctx context.Context, tail looker, sent map[Identity]int64, put func(*NewerEvent) error, idle func(ctx context.Context) error) error {
	for pause := time.Duration(0); len(sent) > 0; pause = min(max(repairPause, 2*pause), longestRepairPause) {
		newer, whole, err := tail.Look(ctx, sent)
		if err != nil {
			return err
		}
		for id := range sent {
			if event := newer[id]; event != nil {
				sent[id] = event.Offset
			} else if whole {
				delete(sent, id)
			}
		}
		if whole && len(sent) > 0 {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(pause):
			}
			after, _, err := tail.Look(ctx, sent)
			if err != nil {
				return err
			}
			for id := range after {
				delete(sent, id)
				delete(newer, id)
			}
		}
		for id, event := range newer {
			delete(newer, id) // the sink has its own of what it takes, and counts it
			if err := put(event); err != nil {
				return err
			}
		}
		if err := idle(ctx); err != nil {
			return err
		}
	}
	return nil
}
