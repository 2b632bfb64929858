// Package lag tells how far destinations are behind: from Kafka, so that it is
// right whether a process runs or not, and from the running process's /status
// what only that knows. It commits nothing and joins no group.
package lag

import (
	"context"
	"fmt"
	"time"

	"kinesis-destination/cmd/internal/config"
	"kinesis-destination/consumer"
)

// Row is one partition of one destination.
type Row struct {
	Destination string  `json:"destination"`
	Group       string  `json:"group"`
	Topic       string  `json:"topic"`
	Partition   int     `json:"partition"`
	Committed   int64   `json:"committed"`         // -1: nothing yet
	End         int64   `json:"end"`               // after the last event that may be read; -1: see Unknown
	Lag         int64   `json:"lag"`               // from where the group goes on to the end; -1: see Unknown
	LagSeconds  float64 `json:"lagSeconds"`        // age of the oldest event not settled; 0: there is none, or it has no time
	Held        *string `json:"held"`              // the reason, empty for none; null: no process answers for the partition
	Member      string  `json:"member,omitempty"`  // the address of the member that has it, as the group says
	Unasked     string  `json:"unasked,omitempty"` // why that member could not be asked what it holds
	Unknown     string  `json:"unknown,omitempty"` // why Kafka does not say how far the partition goes

	groupKnown bool // the group said who its members are
}

// Sample is how far all partitions are at one time.
type Sample struct {
	At   time.Time
	Rows []Row
}

// Meter measures again and again; Close gives its connections back.
type Meter struct {
	configs   []config.Config
	histories []*consumer.History
}

// NewMeter prepares to measure; nothing is asked before the first Measure.
func NewMeter(configs []config.Config) (*Meter, error) {
	m := &Meter{configs: configs}
	for i := range configs {
		history, err := consumer.NewHistory(configs[i].Source.Kafka, nil)
		if err != nil {
			m.Close()
			return nil, err
		}
		m.histories = append(m.histories, history)
	}
	return m, nil
}

// Close gives the connections back.
func (m *Meter) Close() {
	for _, h := range m.histories {
		h.Close()
	}
}

// Measure asks Kafka, who listens on server.listen, and the group's other members there.
func (m *Meter) Measure(ctx context.Context) (Sample, error) {
	s := Sample{Rows: []Row{}}
	for i := range m.configs {
		c := &m.configs[i]
		progress, err := m.histories[i].Progress(ctx, c.Source.Kafka.Group)
		if err != nil {
			return s, fmt.Errorf("destination %s: %w", c.Name, err)
		}
		members, err := m.histories[i].Members(ctx, c.Source.Kafka.Group)
		group := ask(ctx, c, members)
		group.known = err == nil // what only the group tells is not worth losing the rest for
		s.At = time.Now()
		for _, p := range progress {
			row := Row{
				Destination: c.Name, Group: c.Source.Kafka.Group, Topic: p.Topic, Partition: p.Partition,
				Committed: p.Committed, End: p.End, Lag: p.Lag(),
			}
			group.tell(&row)
			if p.Unknown != nil {
				row.End, row.Lag, row.Unknown = -1, -1, p.Unknown.Error()
			}
			if !p.Oldest.IsZero() {
				row.LagSeconds = max(0, s.At.Sub(p.Oldest).Seconds())
			}
			s.Rows = append(s.Rows, row)
		}
	}
	return s, nil
}
