package destination

import (
	"context"
	"time"

	"kinesis-destination/cmd/internal/hold"
	"kinesis-destination/cmd/internal/rules"
)

// registryEvery is how often the registry is asked until it has answered well.
const registryEvery = 5 * time.Second

var notAskedYet = "it has not been asked yet"

// Ready tells whether the destination has its assignment and can deliver, or
// else why not: a stream and a registry that have never answered well are no
// ground to send a predecessor away, also while there is no event to show it.
func (d *Destination) Ready() (bool, string) {
	if held := d.holds.List(); len(held) > 0 {
		return false, "held: " + hold.Reasons(held)
	}
	if !d.sink.Answered() {
		return false, "the stream has not answered yet"
	}
	if away := d.registryAway.Load(); away != nil {
		return false, "the schema registry has not answered well yet: " + *away
	}
	// Between two generations the member keeps its lease, and is ready; before the first
	// assignment is worked on it is not, though it is a member.
	if stats := d.consumer.Stats(); !stats.Assigned && (!stats.Worked || time.Until(d.consumer.Lease()) <= 0) {
		return false, "no assignment yet"
	}
	return true, ""
}

// askRegistry asks for something small until the registry has answered well once,
// or ctx ends. From then on it is asked for what events need, and a failure is a hold.
func (d *Destination) askRegistry(ctx context.Context) {
	topic := d.config.Name // of a pattern there is no one topic: that it is unknown is an answer
	if topics := d.config.Source.Kafka.TopicNames(); len(topics) > 0 {
		topic = topics[0]
	}
	pause := time.NewTimer(registryEvery)
	defer pause.Stop()
	for registry := d.pipeline.decoder.Registry(); registry != nil && d.registryAway.Load() != nil; {
		err := rules.AskRegistry(ctx, registry, topic)
		if err == nil {
			d.registryAway.Store(nil)
			return
		}
		away := err.Error()
		d.registryAway.Store(&away)
		pause.Reset(registryEvery)
		select {
		case <-ctx.Done():
			return
		case <-pause.C:
		}
	}
}
