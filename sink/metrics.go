package sink

import (
	"fmt"

	"kinesis-destination/sink/deadletter"

	"github.com/prometheus/client_golang/prometheus"
)

// Results of PutRecords calls.
const (
	putOK       = "ok"        // every record was stored
	putPartial  = "partial"   // some were not
	putRefused  = "refused"   // the call was refused as a whole
	putNoAnswer = "no-answer" // whether anything was stored is not known
)

type metrics struct {
	putRecords *prometheus.CounterVec
	retries    *prometheus.CounterVec
}

func newMetrics(reg prometheus.Registerer, destination string) (*metrics, error) {
	labels := prometheus.Labels{"destination": destination}
	m := &metrics{
		putRecords: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "kinesis_destination_put_records_total", ConstLabels: labels,
			Help: "PutRecords calls by result: ok, partial, refused or no-answer.",
		}, []string{"result"}),
		retries: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "kinesis_destination_retries_total", ConstLabels: labels,
			Help: "Records that are sent again, by the reason for it.",
		}, []string{"reason"}),
	}
	for _, c := range []prometheus.Collector{m.putRecords, m.retries} {
		if err := reg.Register(c); err != nil {
			return nil, fmt.Errorf("register the sink's metrics: %w", err)
		}
	}
	for _, result := range []string{putOK, putPartial, putRefused, putNoAnswer} {
		m.putRecords.WithLabelValues(result)
	}
	return m, nil
}

// queueMetrics shows what is in the sink. It is counted when it is asked for: a gauge
// that every record moves twice is what all lanes and partitions would wait for.
func queueMetrics(reg prometheus.Registerer, destination string, s *Sink) error {
	err := reg.Register(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "kinesis_destination_in_flight", ConstLabels: prometheus.Labels{"destination": destination},
		Help: "Records that the sink has taken and that are not yet at rest.",
	}, func() float64 { records, _ := s.queued(); return float64(records) }))
	if err != nil {
		return fmt.Errorf("register the sink's metrics: %w", err)
	}
	return nil
}

// parkMetrics shows how many identities are parked.
func parkMetrics(reg prometheus.Registerer, destination string, p *deadletter.Parking) error {
	err := reg.Register(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "kinesis_destination_parked_identities", ConstLabels: prometheus.Labels{"destination": destination},
		Help: "Identities whose events follow a dead letter to the dead-letter topic (deadLetter.park).",
	}, func() float64 { return float64(p.Count()) }))
	if err != nil {
		return fmt.Errorf("register the sink's metrics: %w", err)
	}
	return nil
}
