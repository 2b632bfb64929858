package destination

import (
	"context"
	"slices"
	"time"

	"kinesis-destination/consumer"
)

const (
	// keepFor is how often Kafka is told anew what stands beside offsets of groups
	// without members: it forgets these after offsets.retention.minutes, a week by default.
	keepFor = 24 * time.Hour
	// keepLook is how often a process looks whether that is its to do.
	keepLook = time.Minute
)

// keepSettled has Kafka keep which dead letters are settled, for as long as the
// destination runs: dropped ones would come back. One process does it, that of a
// source's first partition.
func keepSettled(ctx context.Context, letters *consumer.History, group string, stats func() consumer.Stats) {
	var told time.Time
	every(ctx, keepLook, func() {
		first := func(p consumer.PartitionStats) bool { return p.Partition == 0 }
		if time.Since(told) < keepFor || !slices.ContainsFunc(stats().Partitions, first) {
			return
		}
		// Without a topic, or an answer, there is the next look.
		checkpoints, err := letters.Checkpoints(ctx, group)
		if err == nil && checkpoints.Commit(ctx, checkpoints.All()...) == nil {
			told = time.Now()
		}
	})
}
