package deadletters

import "context"

// Commit implements Keeper: Kafka remembers what is settled.
func (r *RedriveJob) Commit(ctx context.Context) error {
	r.mu.Lock()
	settled := r.settled
	r.settled = nil
	r.mu.Unlock()
	if !r.o.DryRun {
		for _, l := range settled {
			r.ledger.Settle(r.Config.DeadLetter.Topic, l.Partition, l.Offset)
		}
		if err := r.ledger.Commit(ctx); err != nil {
			return err
		}
	}
	r.progress()
	return nil
}

func (r *RedriveJob) progress() {
	r.mu.Lock()
	r.account.CaughtUp = r.CaughtUp.Load()
	done, selected := r.account.Done(), r.account.Selected
	r.mu.Unlock()
	if r.o.Progress != nil {
		r.o.Progress(done, selected)
	}
}
