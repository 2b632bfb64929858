package destination

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"kinesis-destination/cmd/internal/hold"
	"kinesis-destination/consumer"
)

// lagCollector shows how far behind each assigned partition is, exactly: the
// process knows what has settled and when the oldest event that has not was written.
type lagCollector struct{ of *Destination }

var (
	lagDesc = prometheus.NewDesc("kafka_consumergroup_lag",
		"Events after the committed offset, up to the last that may be read.", []string{"consumergroup", "topic", "partition"}, nil)
	workableDesc = prometheus.NewDesc("kinesis_destination_workable_lag",
		"The lag that more processes could work off: 0 while the partition is held.", []string{"destination", "topic", "partition"}, nil)
	secondsDesc = prometheus.NewDesc("kinesis_destination_lag_seconds",
		"Age of the oldest event not yet settled; 0 when there is none.", []string{"destination", "topic", "partition"}, nil)
	heldDesc = prometheus.NewDesc("kinesis_destination_held_partitions",
		"Partitions held, by reason; a cause that holds the whole destination counts every assigned partition, and 1 before an assignment.",
		[]string{"destination", "reason"}, nil)
	reloadDesc = prometheus.NewDesc("kinesis_destination_config_reload_ok",
		"1 while the configuration as it was read last is in force; 0 once a newer one was refused: file and process differ.", []string{"destination"}, nil)
)

// Describe implements prometheus.Collector.
func (c lagCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{lagDesc, workableDesc, secondsDesc, heldDesc, reloadDesc} {
		ch <- desc
	}
}

// Collect implements prometheus.Collector.
func (c lagCollector) Collect(ch chan<- prometheus.Metric) {
	collectLag(ch, c.of.config.Name, c.of.Stats(), c.of.Holds())
	ok := 1.
	if _, refused := c.of.Rules(); refused != nil {
		ok = 0
	}
	ch <- prometheus.MustNewConstMetric(reloadDesc, prometheus.GaugeValue, ok, c.of.config.Name)
}

func collectLag(ch chan<- prometheus.Metric, destination string, s consumer.Stats, holds []hold.Held) {
	held := heldPartitions(s, holds)
	for _, p := range s.Partitions {
		partition := strconv.Itoa(p.Partition)
		if events, ok := lagOf(p); ok {
			ch <- prometheus.MustNewConstMetric(lagDesc, prometheus.GaugeValue, float64(events), s.Group, p.Topic, partition)
			if isHeld(held, p) {
				events = 0
			}
			ch <- prometheus.MustNewConstMetric(workableDesc, prometheus.GaugeValue, float64(events), destination, p.Topic, partition)
		}
		ch <- prometheus.MustNewConstMetric(secondsDesc, prometheus.GaugeValue, ageOf(p).Seconds(), destination, p.Topic, partition)
	}
	for reason, partitions := range held {
		ch <- prometheus.MustNewConstMetric(heldDesc, prometheus.GaugeValue, float64(max(1, len(partitions))), destination, reason)
	}
}

// heldPartitions are the partitions that are held, by reason; a cause that
// holds the whole destination holds all of them.
func heldPartitions(s consumer.Stats, holds []hold.Held) map[string]map[hold.Key]bool {
	held := map[string]map[hold.Key]bool{}
	for _, h := range holds {
		if held[h.Reason] == nil {
			held[h.Reason] = map[hold.Key]bool{}
		}
		if h.Topic != "" {
			held[h.Reason][hold.Key{Topic: h.Topic, Partition: h.Partition}] = true
			continue
		}
		for _, p := range s.Partitions {
			held[h.Reason][hold.Key{Topic: p.Topic, Partition: p.Partition}] = true
		}
	}
	return held
}

func isHeld(held map[string]map[hold.Key]bool, p consumer.PartitionStats) bool {
	for _, partitions := range held {
		if partitions[hold.Key{Topic: p.Topic, Partition: p.Partition}] {
			return true
		}
	}
	return false
}

// lagOf is how many events lie after the committed offset; false: not known yet.
func lagOf(p consumer.PartitionStats) (int64, bool) {
	if p.End < 0 {
		return 0, false
	}
	from := p.Committed
	if from < 0 {
		from = p.Settled
	}
	return max(0, p.End-from), true
}

func ageOf(p consumer.PartitionStats) time.Duration {
	if p.Oldest.IsZero() {
		return 0
	}
	return max(0, time.Since(p.Oldest))
}
