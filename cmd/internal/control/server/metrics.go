package server

import (
	"maps"
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	"kinesis-destination/cmd/internal/control/documents"
	"kinesis-destination/cmd/internal/control/journal"
	"kinesis-destination/cmd/internal/control/status"
)

// Metrics are how the control plane is: its journal, and what processes tell.
type Metrics struct {
	Journal func() journal.Status
	// Documents are those that there are, without which no flow counts: processes tell of
	// a flow for a while after it is deleted. nil: all that are told of count.
	Documents func() documents.Reader
	Board     interface {
		Flows() map[string]status.Told
		Processes() []status.Process
		Trouble() error
	}
}

var (
	readOnlyDesc = prometheus.NewDesc("kinesis_destination_control_read_only",
		"1 for the reason for which the control plane takes no changes: log, missing or settings.", []string{"reason"}, nil)
	journalTroubleDesc = prometheus.NewDesc("kinesis_destination_control_journal_trouble",
		"1 while the journal cannot be read, or the last attempt to write to it has failed.", []string{"act"}, nil)
	entriesDesc = prometheus.NewDesc("kinesis_destination_control_entries_total",
		"Entries of the journal that this process has read, by what became of them; foreign and corrupt ones are passed over.", []string{"verdict"}, nil)
	documentsDesc = prometheus.NewDesc("kinesis_destination_control_documents",
		"Documents that there are.", nil, nil)
	statusTroubleDesc = prometheus.NewDesc("kinesis_destination_control_status_trouble",
		"1 while what processes do cannot be read, told or kept.", nil, nil)
	processesDesc = prometheus.NewDesc("kinesis_destination_control_processes",
		"Processes that tell what they do: heard, or silent for 45 seconds or longer.", []string{"state"}, nil)
	flowsDesc = prometheus.NewDesc("kinesis_destination_control_flows",
		"Flows by what all processes together tell of them.", []string{"state"}, nil)
)

// Describe implements prometheus.Collector.
func (m Metrics) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{readOnlyDesc, journalTroubleDesc, entriesDesc, documentsDesc, statusTroubleDesc, processesDesc, flowsDesc} {
		ch <- d
	}
}

// Collect implements prometheus.Collector. Every series is there from the start.
func (m Metrics) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	j := m.Journal()
	for _, cause := range journal.Causes {
		gauge(readOnlyDesc, one(j.Cause == cause), cause)
	}
	gauge(journalTroubleDesc, one(j.Unread != ""), "read")
	gauge(journalTroubleDesc, one(j.Unwritten != ""), "write")
	for _, v := range journal.Verdicts {
		ch <- prometheus.MustNewConstMetric(entriesDesc, prometheus.CounterValue, float64(j.Records[v]), string(v))
	}
	gauge(documentsDesc, float64(j.Documents))
	gauge(statusTroubleDesc, one(m.Board.Trouble() != nil))
	silent := 0
	processes := m.Board.Processes()
	for _, p := range processes {
		if p.Silent {
			silent++
		}
	}
	gauge(processesDesc, float64(len(processes)-silent), "heard")
	gauge(processesDesc, float64(silent), "silent")
	states := map[status.State]int{}
	for _, state := range status.States {
		states[state] = 0
	}
	there := m.flows()
	for id, told := range m.Board.Flows() {
		if there == nil || there[id] {
			states[told.State]++
		}
	}
	for _, state := range slices.Sorted(maps.Keys(states)) {
		gauge(flowsDesc, float64(states[state]), string(state))
	}
}

// flows are the ids of those that there are; nil: not known.
func (m Metrics) flows() map[string]bool {
	if m.Documents == nil {
		return nil
	}
	there := map[string]bool{}
	for _, e := range m.Documents().List(documents.Flows + "/") {
		there[documents.ID(e.Key)] = true
	}
	return there
}

func one(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}
