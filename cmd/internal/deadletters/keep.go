package deadletters

import (
	"context"
	"slices"
	"time"

	"kinesis-destination/cmd/internal/hold"
	"kinesis-destination/consumer"
)

const (
	// KeepFor is how often Kafka is told anew what stands beside offsets of groups
	// without members: it forgets these after offsets.retention.minutes, a week by default.
	KeepFor = 24 * time.Hour
	// KeepLook is how often a process looks whether that is its to do.
	KeepLook = time.Minute
)

// KeepSettled has Kafka keep which dead letters are settled, for as long as the
// destination runs: dropped ones would come back. One process does it, that of a
// source's first partition.
func KeepSettled(ctx context.Context, letters *consumer.History, group string, stats func() consumer.Stats) {
	var told time.Time
	hold.Every(ctx, KeepLook, func() {
		first := func(p consumer.PartitionStats) bool { return p.Partition == 0 }
		if time.Since(told) < KeepFor || !slices.ContainsFunc(stats().Partitions, first) {
			return
		}
		// Without a topic, or an answer, there is the next look.
		checkpoints, err := letters.Checkpoints(ctx, group)
		if err == nil && checkpoints.Commit(ctx, checkpoints.All()...) == nil {
			told = time.Now()
		}
	})
}
