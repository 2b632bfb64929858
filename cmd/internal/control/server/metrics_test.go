package server_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"kinesis-destination/cmd/internal/control/documents"
	"kinesis-destination/cmd/internal/control/journal"
	"kinesis-destination/cmd/internal/control/server"
	"kinesis-destination/cmd/internal/control/status"
)

// TestAFlowThatIsDeletedIsNotCounted, though processes tell of it for a while.
func TestAFlowThatIsDeletedIsNotCounted(t *testing.T) {
	r := newRig(t)
	m := r.flow(leads)
	board := told{flows: map[string]status.Told{m.flow: {State: status.Running}, "deleted": {State: status.Running}, "deleted-too": {State: status.Silent}}}
	metrics := server.Metrics{Journal: func() journal.Status { return journal.Status{} }, Board: board, Documents: func() documents.Reader {
		v, err := r.store.View(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return v
	}}
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(metrics)
	shown := httptest.NewRecorder()
	promhttp.HandlerFor(registry, promhttp.HandlerOpts{}).ServeHTTP(shown, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	for _, line := range []string{`{state="running"} 1`, `{state="silent"} 0`} {
		if !strings.Contains(shown.Body.String(), "kinesis_destination_control_flows"+line+"\n") {
			t.Errorf("no %s", line)
		}
	}
}

// told is what processes tell.
type told struct {
	flows     map[string]status.Told
	processes []status.Process
	trouble   error
}

func (t told) Flows() map[string]status.Told { return t.flows }
func (t told) Processes() []status.Process   { return t.processes }
func (t told) Trouble() error                { return t.trouble }

func TestTheControlPlanesMetricsSayWhyItIsReadOnlyWhatItSkippedAndWhoIsSilent(t *testing.T) {
	j := journal.Status{
		ReadOnly: "topic control would not keep what is written to it", Cause: journal.CauseSettings, Unwritten: "away", Documents: 12,
		Records: map[journal.Verdict]int64{journal.Applied: 40, journal.Foreign: 2},
	}
	board := told{
		flows:     map[string]status.Told{"a": {State: status.Silent}, "b": {State: status.Running}},
		processes: []status.Process{{ID: "p", Silent: true}, {ID: "q"}},
		trouble:   errors.New("it is compacted"),
	}
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(server.Metrics{Journal: func() journal.Status { return j }, Board: board})
	shown := httptest.NewRecorder()
	promhttp.HandlerFor(registry, promhttp.HandlerOpts{}).ServeHTTP(shown, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	for _, line := range []string{
		`kinesis_destination_control_read_only{reason="log"} 0`,
		`kinesis_destination_control_read_only{reason="missing"} 0`,
		`kinesis_destination_control_read_only{reason="settings"} 1`,
		`kinesis_destination_control_journal_trouble{act="read"} 0`,
		`kinesis_destination_control_journal_trouble{act="write"} 1`,
		`kinesis_destination_control_entries_total{verdict="applied"} 40`,
		`kinesis_destination_control_entries_total{verdict="conflict"} 0`,
		`kinesis_destination_control_entries_total{verdict="corrupt"} 0`,
		`kinesis_destination_control_entries_total{verdict="foreign"} 2`,
		`kinesis_destination_control_entries_total{verdict="marked"} 0`,
		`kinesis_destination_control_entries_total{verdict="refused"} 0`,
		`kinesis_destination_control_entries_total{verdict="repeated"} 0`,
		`kinesis_destination_control_entries_total{verdict="stale"} 0`,
		`kinesis_destination_control_status_trouble 1`,
		`kinesis_destination_control_processes{state="heard"} 1`,
		`kinesis_destination_control_processes{state="silent"} 1`,
		`kinesis_destination_control_flows{state="held"} 0`,
		`kinesis_destination_control_flows{state="refused"} 0`,
		`kinesis_destination_control_flows{state="running"} 1`,
		`kinesis_destination_control_flows{state="silent"} 1`,
		`kinesis_destination_control_flows{state="starting"} 0`,
		`kinesis_destination_control_flows{state="stopped"} 0`,
		`kinesis_destination_control_documents 12`,
	} {
		if !strings.Contains(shown.Body.String(), line+"\n") {
			t.Errorf("no %s", line)
		}
	}
}

var (
	planeMetric  = regexp.MustCompile(`kinesis_destination_control_[a-z_]+[a-z](?:\{([^}]*)\})?`)
	planeMatcher = regexp.MustCompile(`([a-z_]+)(?:=~|!~|!=|=)`)
	planeGrouped = regexp.MustCompile(`\bby \(([a-z_, ]+)\)[^\n]*(kinesis_destination_control_[a-z_]+[a-z])`)
)

// TestAlertsAndRunbookUseOnlyMetricsThatTheControlPlaneExports: see the one of the same
// words in package destination.
func TestAlertsAndRunbookUseOnlyMetricsThatTheControlPlaneExports(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(newRig(t).server, server.Metrics{Journal: func() journal.Status { return journal.Status{} }, Board: told{}})
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	exported := map[string][]string{}
	for _, f := range families {
		exported[f.GetName()] = []string{"pod"}
		for _, l := range f.GetMetric()[0].GetLabel() {
			exported[f.GetName()] = append(exported[f.GetName()], l.GetName())
		}
	}
	for _, file := range []string{"prometheus/alerts.yaml", "prometheus/alerts_test.yaml", "grafana/kinesis-destination.json", "RUNBOOK.md", "docs/OPERATING.md"} {
		text, err := os.ReadFile(filepath.Join("../../../../deployments", file))
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range planeMetric.FindAllStringSubmatch(string(text), -1) {
			name, _, _ := strings.Cut(m[0], "{")
			if exported[name] == nil {
				t.Errorf("%s: %s is not exported", file, name)
			}
			for _, matcher := range planeMatcher.FindAllStringSubmatch(m[1], -1) {
				if !slices.Contains(exported[name], matcher[1]) {
					t.Errorf("%s: %s has no label %s", file, name, matcher[1])
				}
			}
		}
		for _, by := range planeGrouped.FindAllStringSubmatch(string(text), -1) {
			for label := range strings.SplitSeq(by[1], ", ") {
				if !slices.Contains(exported[by[2]], label) {
					t.Errorf("%s: %s has no label %s", file, by[2], label)
				}
			}
		}
	}
}
