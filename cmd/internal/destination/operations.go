package destination

import (
	"context"
	"slices"
	"sync"
	"time"

	"kinesis-destination/cmd/internal/deadletters"
	"kinesis-destination/cmd/internal/hold"
	"kinesis-destination/cmd/internal/resend"
	"kinesis-destination/consumer"
)

// operations are what people had done by commands, as the process with a source's first
// partition sees it: its log is kept where those of commands are not.
type operations struct {
	history *consumer.History

	mu   sync.Mutex
	last []resend.Operation
}

// watchOperations looks once a minute until ctx ends.
func (d *Destination) watchOperations(ctx context.Context) {
	o := &d.operations
	known, told, began := int64(-1), time.Time{}, time.Now()
	hold.Every(ctx, deadletters.KeepLook, func() {
		if !slices.ContainsFunc(d.consumer.Stats().Partitions, func(p consumer.PartitionStats) bool { return p.Partition == 0 }) {
			return
		}
		last, count, keep, err := resend.Operations(ctx, o.history, d.config.Source.Kafka.Group)
		if err != nil || keep == nil {
			return // there is the next look
		}
		o.mu.Lock()
		o.last = last
		o.mu.Unlock()
		fresh := last[len(last)-int(max(0, min(count-known, int64(len(last))))):]
		if known < 0 { // those of before were told of by the process before
			fresh = slices.DeleteFunc(slices.Clone(last), func(one resend.Operation) bool { return one.At.Before(began) })
		}
		for _, one := range fresh {
			d.log.Info("an operation was begun", "what", one.What, "by", one.By, "at", one.At, "id", one.ID, "events", one.Events)
		}
		known = count
		if count > 0 && time.Since(told) >= deadletters.KeepFor && keep(ctx) == nil {
			told = time.Now()
		}
	})
}

func (o *operations) list() []resend.Operation {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.last
}
