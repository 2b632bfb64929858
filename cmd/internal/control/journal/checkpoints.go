package journal

import (
	"context"
	"fmt"
	"time"
)

// othersWait is for how long a checkpoint that another process has begun is
// believed to come to its end.
const othersWait = time.Minute

// noteCheckpoint has a checkpoint written by whoever wrote the entry that makes it
// due; where that process ended, by the next. It is called with mu held.
func (s *Store) noteCheckpoint(o outcome, own bool) {
	if o.entry.Checkpoint != nil {
		if !own {
			s.others = time.Now()
		}
		return
	}
	n, every := len(s.state.recent), s.opts.CheckpointEvery
	if own && n >= every && time.Since(s.others) > othersWait {
		select {
		case s.due <- struct{}{}:
		default:
		}
	}
}

func (s *Store) keepCheckpoints(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.due:
		}
		s.mu.Lock()
		due := s.state != nil && s.stopped == nil && len(s.state.recent) >= s.opts.CheckpointEvery
		s.mu.Unlock()
		if !due {
			continue
		}
		if err := s.checkpoint(ctx); err != nil && ctx.Err() == nil {
			s.logger.Warn("no checkpoint could be written: the next change will have it tried again", "error", err)
		}
	}
}

// checkpoint writes the state, and lets go of what is before the checkpoint
// before: what was written since can still be audited.
func (s *Store) checkpoint(ctx context.Context) error {
	s.mu.Lock()
	frozen := s.state.copied()
	s.mu.Unlock()
	for _, p := range frozen.freeze(partBytes) {
		o, err := s.propose(ctx, entry{V: format, Why: "checkpoint", Checkpoint: p})
		if err != nil {
			return fmt.Errorf("write part %d: %w", p.N, err)
		}
		if o.verdict != Marked {
			return fmt.Errorf("write part %d: it was judged as %s", p.N, o.verdict)
		}
	}
	if frozen.checkpoint < 0 {
		return nil
	}
	bounded, cancel := context.WithTimeout(ctx, answerWait)
	defer cancel()
	if err := s.log.Truncate(bounded, frozen.checkpoint+1); err != nil {
		return fmt.Errorf("delete what is before offset %d: %w", frozen.checkpoint+1, err)
	}
	s.logger.Info("checkpoint written", "offset", frozen.next-1, "documents", len(frozen.docs), "from", frozen.checkpoint+1)
	return nil
}
