package destination

import (
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/segmentio/kafka-go"

	"kinesis-destination/cmd/internal/rules"
	"kinesis-destination/sink/embeddedkinesis"
	"kinesis-destination/transform"
)

const deployments = "../../../deployments"

// followedMetrics are those of flows that come and go, as text.
func followedMetrics(t *testing.T) string {
	t.Helper()
	f := NewFleet(Options{})
	f.follows = true
	f.flows = append(f.flows, newFlow("flow", f, Wanted{Sandbox: "prod"}))
	families, err := f.process.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for _, family := range families {
		if strings.HasPrefix(family.GetName(), "kinesis_destination_fl") || strings.HasPrefix(family.GetName(), "kinesis_destination_fo") { // the others every process has
			if _, err := expfmt.MetricFamilyToText(&text, family); err != nil {
				t.Fatal(err)
			}
		}
	}
	return text.String()
}

// exportedMetrics are the names and labels that a process exports once it has
// delivered, filtered, dead-lettered, retried and held.
func exportedMetrics(t *testing.T) map[string][]string {
	t.Helper()
	names := map[string][]string{}
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t, 2, embeddedkinesis.Options{})
		g, o := newLeads(t, 1, 10), newOracle()
		p := b.start(8080, "")
		b.feed(g, o, 50)
		b.produce(kafka.Message{Key: []byte("k"), Value: []byte("no frame")})
		pass(time.Minute)
		b.kinesis.SetScript(func(embeddedkinesis.Call) embeddedkinesis.Action {
			return embeddedkinesis.Action{Code: "AccessDeniedException"}
		})
		b.feed(g, o, 50)
		pass(time.Minute)
		code, body := b.get(8080, "/metrics")
		if code != http.StatusOK {
			t.Fatalf("metrics say %d", code)
		}
		b.kinesis.SetScript(nil)
		p.stop(t)
		body += followedMetrics(t)
		parser := expfmt.NewTextParser(model.UTF8Validation)
		families, err := parser.TextToMetricFamilies(strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		for name, family := range families {
			names[name] = []string{"le", "instance", "job", "pod"} // of the histogram, of the scrape
			for _, m := range family.Metric {
				for _, l := range m.Label {
					names[name] = append(names[name], l.GetName())
				}
			}
			for _, of := range []string{"_bucket", "_sum", "_count"} {
				if family.Metric[0].Histogram != nil {
					names[name+of] = names[name]
				}
			}
		}
	})
	return names
}

var (
	// aMetric is a metric's name, and its matchers where it has any.
	aMetric = regexp.MustCompile(`\b((?:kinesis_destination|kafka_consumergroup|process|go)_[a-z_]+[a-z])(?:\{([^}]*)\})?`)
	// ofThePlane are lines about the control plane, which a test of package server holds.
	ofThePlane = regexp.MustCompile(`(?m)^.*kinesis_destination_control_.*$`)
	aMatcher   = regexp.MustCompile(`([a-z_]+)(?:=~|!~|!=|=)`)
	groupedBy  = regexp.MustCompile(`\b(?:by|on) \(([a-z_, ]+)\)`)
)

func TestAlertsDashboardAndScalingUseOnlyMetricsThatAreExported(t *testing.T) {
	exported := exportedMetrics(t)
	anyLabel := slices.Concat(slices.Collect(maps.Values(exported))...)
	for _, file := range []string{
		"prometheus/alerts.yaml", "prometheus/alerts_test.yaml", "grafana/kinesis-destination.json",
		"helm/kinesis-destination/templates/scaledobject.yaml", "RUNBOOK.md", "docs/OPERATING.md",
	} {
		text, err := os.ReadFile(filepath.Join(deployments, file))
		if err != nil {
			t.Fatal(err)
		}
		text = ofThePlane.ReplaceAll(text, nil)
		found := aMetric.FindAllStringSubmatch(string(text), -1)
		if len(found) == 0 {
			t.Errorf("%s names no metric", file)
		}
		for _, by := range groupedBy.FindAllStringSubmatch(string(text), -1) {
			for label := range strings.SplitSeq(by[1], ", ") {
				if !slices.Contains(anyLabel, label) {
					t.Errorf("%s: no metric has a label %s", file, label)
				}
			}
		}
		for _, m := range found {
			labels, ok := exported[m[1]]
			if !ok {
				t.Errorf("%s: %s is not exported", file, m[1])
				continue
			}
			for _, matcher := range aMatcher.FindAllStringSubmatch(m[2], -1) {
				if !slices.Contains(labels, matcher[1]) {
					t.Errorf("%s: %s has no label %s", file, m[1], matcher[1])
				}
			}
		}
	}
}

// Helm warns of symbolic links in a chart, so it has copies.
func TestTheChartHasAlertsAndDashboardAsTheyAre(t *testing.T) {
	for _, file := range []string{"prometheus/alerts.yaml", "grafana/kinesis-destination.json"} {
		want, err := os.ReadFile(filepath.Join(deployments, file))
		if err != nil {
			t.Fatal(err)
		}
		copied := filepath.Join("helm/kinesis-destination/files", filepath.Base(file))
		if got, err := os.ReadFile(filepath.Join(deployments, copied)); err != nil || string(got) != string(want) {
			t.Errorf("cp deployments/%s deployments/%s: %v", file, copied, err)
		}
	}
}

func TestEveryAlertLeadsToItsPlaceInTheRunbook(t *testing.T) {
	alerts, err := os.ReadFile(filepath.Join(deployments, "prometheus/alerts.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	runbook, err := os.ReadFile(filepath.Join(deployments, "RUNBOOK.md"))
	if err != nil {
		t.Fatal(err)
	}
	places := map[string]bool{}
	for _, heading := range regexp.MustCompile(`(?m)^## (.+)$`).FindAllStringSubmatch(string(runbook), -1) {
		places[strings.ReplaceAll(strings.ToLower(heading[1]), " ", "-")] = true
	}
	links := regexp.MustCompile(`runbook_url: deployments/RUNBOOK\.md#(.+)`).FindAllStringSubmatch(string(alerts), -1)
	if n := strings.Count(string(alerts), "- alert:"); n == 0 || n != len(links) {
		t.Errorf("%d alerts have %d links", n, len(links))
	}
	for _, link := range links {
		if !places[link[1]] {
			t.Errorf("the runbook has no %s", link[1])
		}
	}
	for _, reason := range slices.Concat(declaredReasons(t, "../../../consumer"), declaredReasons(t, "../../../sink"), declaredReasons(t, "../rules")) {
		if reason != rules.ReasonTombstone && !strings.Contains(string(runbook), "`"+reason+"`") {
			t.Errorf("the runbook does not know %s", reason)
		}
	}
	if want := `reason="` + string(transform.ReasonConsent) + `"`; !strings.Contains(string(alerts), want) {
		t.Errorf("no alert looks at %s", want)
	}
}

// declaredReasons are the reason words of holds and dead letters that a package declares.
func declaredReasons(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	var reasons []string
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`(?m)^\t(?:Reason|Hold)[A-Z]\w* += "([a-z-]+)"`).FindAllStringSubmatch(string(text), -1) {
			reasons = append(reasons, m[1])
		}
	}
	if len(reasons) < 3 {
		t.Errorf("%s declares only %v", dir, reasons)
	}
	return reasons
}
