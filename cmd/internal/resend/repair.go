package resend

import (
	"context"
	"time"
)

// From the turn patience on, a repair looks once more after a pause, whether live traffic has gone
// on: not at first, as most identities rest by then; and longer each time, so that of each that
// does not an event comes within a pause, or none for a whole turn.
const (
	patience                        = 4
	repairPause, longestRepairPause = 20 * time.Millisecond, time.Second
)

// surelyTaken bounds what any stream takes of a record and its key, in bytes.
const surelyTaken = 1 << 20

// looker reads the source topics on, see [Tail].
type looker interface {
	Look(ctx context.Context, sent map[Identity]int64) (newer map[Identity]*NewerEvent, whole bool, err error)
	LookAgain(p TopicPartition, offset int64)
}

// repair puts the newest events of the identities in sent where they are newer than what was,
// so that no older state stands after a newer one. What was put is at rest before it and after.
// An identity needs no more once
//   - nothing newer stood up to the topic's end at a moment when all was at rest, or
//   - for some turns there was something each time, and an event of it was written after such a
//     moment: live traffic delivers that last, once it gets there.
//
// So the repair ends beside identities that never rest, too. With an error, what is left in sent
// is to be repaired still: the next repair finds it again.
func repair(ctx context.Context, tail looker, sent map[Identity]int64, put func(*NewerEvent) error, idle func(ctx context.Context) error) error {
	pause := repairPause
	for turn := 0; len(sent) > 0; turn++ {
		newer, whole, err := tail.Look(ctx, sent)
		if err != nil {
			return err
		}
		if whole {
			for id := range sent {
				if newer[id] == nil {
					delete(sent, id)
				}
			}
		}
		if whole && turn >= patience && len(sent) > 0 {
			err = leaveToLiveTraffic(ctx, tail, sent, newer, pause)
			pause = min(2*pause, longestRepairPause)
		}
		if err == nil {
			err = putAll(newer, sent, put)
		}
		if err != nil {
			for id, event := range newer { // the look has passed it
				tail.LookAgain(id.TopicPartition, event.Offset)
			}
			return err
		}
		if err := idle(ctx); err != nil {
			return err
		}
	}
	return nil
}

// leaveToLiveTraffic takes away the identities of which another event is written by the end of a
// pause. What no stream may take is none: live traffic does not deliver it.
func leaveToLiveTraffic(ctx context.Context, tail looker, sent map[Identity]int64, newer map[Identity]*NewerEvent, pause time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(pause):
	}
	after, _, err := tail.Look(ctx, sent)
	if err != nil {
		return err
	}
	for id, event := range after {
		if len(event.data)+len(event.key) <= surelyTaken {
			delete(sent, id)
			delete(newer, id)
		} else {
			newer[id] = event // it is the newest, after all
		}
	}
	return nil
}

// putAll puts events, and leaves those that were not.
func putAll(newer map[Identity]*NewerEvent, sent map[Identity]int64, put func(*NewerEvent) error) error {
	for id, event := range newer {
		if err := put(event); err != nil {
			return err
		}
		sent[id] = event.Offset
		delete(newer, id) // the sink has its own of what it takes, and counts it
	}
	return nil
}
