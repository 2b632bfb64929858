package replay

import (
	"context"

	"kinesis-destination/cmd/internal/config"
	"kinesis-destination/sink"
	"kinesis-destination/transform"
)

// Estimate is what a replay would take.
type Estimate struct {
	Records  int64            `json:"records"`
	Bytes    int64            `json:"bytes"`    // documents and partition keys
	Segments map[string]int64 `json:"segments"` // records that list the activated segment
	Shards   int              `json:"shards"`   // open ones; 0: the stream could not be asked
	OnDemand bool             `json:"onDemand"`
	Seconds  float64          `json:"seconds"` // at least, with nothing else on the stream; 0: not known
	USD      float64          `json:"usd"`     // what Kinesis charges for putting it; see Prices
	Prices   string           `json:"prices"`

	units int64 // of 25 KB, which a provisioned stream charges for
	kib   int64 // an on-demand stream charges for each record's, rounded up
}

func (e *Estimate) add(key string, document []byte, listed []transform.Membership) {
	size := int64(len(document) + len(key))
	e.Records++
	e.Bytes += size
	e.units += (size + sink.PutUnitBytes - 1) / sink.PutUnitBytes
	e.kib += (size + 1<<10 - 1) >> 10
	counted := map[string]bool{}
	for _, l := range listed {
		if !counted[l.Segment] {
			counted[l.Segment] = true
			e.Segments[l.Segment]++
		}
	}
}

// finish asks the stream for its capacity. Where it does not answer, time stays unknown.
func (e *Estimate) finish(ctx context.Context, config *config.Config, o Options) {
	capacity, err := sink.Measure(ctx, config.Target.Kinesis.Config, sink.Options{DeadLetter: config.DeadLetter, Brokers: config.Source.Kafka.Brokers, Logger: o.Logger})
	if err != nil {
		o.Logger.Warn("the stream's capacity is not known: no time is estimated", "error", err)
	}
	e.Shards, e.OnDemand, e.Prices = capacity.Shards, capacity.OnDemand, sink.ListPrices
	e.Seconds = capacity.Seconds(e.Records, e.Bytes)
	if o.Rate > 0 {
		e.Seconds = max(e.Seconds, float64(e.Records)/o.Rate)
	}
	e.USD = float64(e.units) * sink.USDPerPutUnit
	if e.OnDemand {
		e.USD = float64(e.kib) / (1 << 20) * sink.USDPerGBIn
	}
}
