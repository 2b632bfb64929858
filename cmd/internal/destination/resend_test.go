package destination

import (
	"strings"
	"testing"

	"kinesis-destination/cmd/internal/config"
	"kinesis-destination/sink/dedupe"
	"kinesis-destination/sink/embeddedkinesis"
	"kinesis-destination/transform"
)

func TestAReplaysRecordsAreFreshToAReaderThatKnowsTheLiveOnes(t *testing.T) {
	s := newSite(t, embeddedkinesis.Random(45, embeddedkinesis.Rates{}))
	g, o := newLeads(t, 45, 20), newOracle()
	s.feed(g, o, 200)
	cfg, err := config.Parse("site.yaml", []byte(strings.Replace(s.configText(), "    region:", "    metadata: true\n    region:", 1)))
	if err != nil {
		t.Fatal(err)
	}
	a := replayAll(t, &cfg, everything("again"))
	records, filter := s.embedded.History(s.name), dedupe.New(1000)
	if len(records) == 0 || int64(len(records)) != a.Delivered {
		t.Fatalf("%d records, %+v", len(records), a)
	}
	for _, r := range records { // as the live pipeline wrote them
		live := transform.WithoutResend(r.Data)
		if fresh, err := filter.Fresh(r.PartitionKey, live); err != nil || !fresh || len(live) == len(r.Data) {
			t.Fatalf("live %s: fresh %v, %v", live, fresh, err)
		}
	}
	for _, want := range []bool{true, false} { // once, and repeated
		for _, r := range records {
			source, err := dedupe.SourceOf(r.Data)
			if err != nil || source.Resend != "replay.again" || filter.FreshSource(r.PartitionKey, source) != want {
				t.Fatalf("%+v, %v: want fresh %v", source, err, want)
			}
		}
	}
}
