package destination

import (
	"cmp"
	"slices"
	"time"
)

// BackfillStatus is a backfill as /status shows it. It covers the partitions that
// are assigned to the process.
type BackfillStatus struct {
	Segments   []string            `json:"segments"` // that were added
	Began      time.Time           `json:"began"`    // in this process
	Ended      time.Time           `json:"ended,omitzero"`
	Waiting    string              `json:"waiting,omitempty"` // for what it waits
	Partitions []BackfillPartition `json:"partitions"`
	Account    SweepAccount        `json:"account"` // delivered: members that were exported
	CaughtUp   int64               `json:"caughtUp"`
}

// BackfillPartition is how far a backfill is in one partition. Offsets count
// twice, as they are read twice.
type BackfillPartition struct {
	Topic     string `json:"topic"`
	Partition int    `json:"partition"`
	Done      int64  `json:"done"`
	Total     int64  `json:"total"`
}

// Status is how far the backfill is; nil: there was none since the start.
func (b *backfill) Status() *BackfillStatus {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.snapshot()
}

// snapshot is Status; b.mu is held.
func (b *backfill) snapshot() *BackfillStatus {
	if b.status == nil {
		return nil
	}
	s := *b.status
	s.Partitions, s.Account, s.CaughtUp = []BackfillPartition{}, newSweepAccount(), b.caughtUp.Load()
	for at, stretch := range b.own {
		done, total := stretch.progress()
		s.Partitions = append(s.Partitions, BackfillPartition{at.topic, at.partition, done, total})
		s.Account.add(stretch.account())
	}
	slices.SortFunc(s.Partitions, func(x, y BackfillPartition) int {
		return cmp.Or(cmp.Compare(x.Topic, y.Topic), cmp.Compare(x.Partition, y.Partition))
	})
	return &s
}
