package replay

import (
	"cmp"
	"slices"
	"time"

	"kinesis-destination/cmd/internal/resend"
	"kinesis-destination/cmd/internal/rules"
)

// BackfillStatus is a backfill as /status shows it. It covers the partitions that
// are assigned to the process.
type BackfillStatus struct {
	Segments   []string            `json:"segments"` // that were added
	Began      time.Time           `json:"began"`    // in this process
	Ended      time.Time           `json:"ended,omitzero"`
	Waiting    string              `json:"waiting,omitempty"` // for what it waits
	Partitions []BackfillPartition `json:"partitions"`
	Account    resend.Account      `json:"account"` // delivered: members that were exported
	CaughtUp   int64               `json:"caughtUp"`
}

// NoBackfill is which segments are not backfilled though activation.backfill.newSegments
// is set, as it had not been when they were added.
type NoBackfill struct {
	Segments []string  `json:"segments"`
	At       time.Time `json:"at"`
	Why      string    `json:"why"`
}

// whyNone is what /status and the log say of them.
const whyNone = "activation.backfill.newSegments is set for the first time: these segments count as exported, and those that are added from now on are backfilled. Members who had joined before leave with their next event that is about the segment; replay --latest-only --segment ID sends them now"

// noteNone tells of the segments that count as exported.
func (b *Backfill) noteNone(rules *rules.Ruleset) {
	none := &NoBackfill{Segments: []string{}, At: time.Now(), Why: whyNone}
	for _, s := range rules.Activation.Segments {
		none.Segments = append(none.Segments, s.ID)
	}
	b.mu.Lock()
	known := b.none != nil
	if !known {
		b.none = none
	}
	b.mu.Unlock()
	if !known {
		b.Log.Warn("no backfill: "+whyNone, "segments", len(none.Segments))
	}
}

// None is which segments are not backfilled; nil: the question has not come up since
// the start.
func (b *Backfill) None() *NoBackfill {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.none
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
func (b *Backfill) Status() *BackfillStatus {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.snapshot()
}

// snapshot is Status; b.mu is held.
func (b *Backfill) snapshot() *BackfillStatus {
	if b.status == nil {
		return nil
	}
	s := *b.status
	s.Partitions, s.Account, s.CaughtUp = []BackfillPartition{}, resend.NewAccount(), b.CaughtUp.Load()
	for at, of := range b.own {
		done, total := of.Progress()
		s.Partitions = append(s.Partitions, BackfillPartition{at.Topic, at.Partition, done, total})
		s.Account.Add(of.Snapshot())
	}
	slices.SortFunc(s.Partitions, func(x, y BackfillPartition) int {
		return cmp.Or(cmp.Compare(x.Topic, y.Topic), cmp.Compare(x.Partition, y.Partition))
	})
	return &s
}
