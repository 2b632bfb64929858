package destination

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/segmentio/kafka-go"

	"kinesis-destination/cmd/internal/deadletters"
	"kinesis-destination/consumer"
	"kinesis-destination/sink/embeddedkinesis"
)

// What a stream would refuse is no record delivered: its document is larger than
// its event, as each of its characters is escaped.
func TestContractADryRunCountsWhatTheStreamWouldRefuse(t *testing.T) {
	s := newSite(t, embeddedkinesis.Random(44, embeddedkinesis.Rates{}))
	event := func(old, with string) kafka.Message {
		t.Helper()
		return kafka.Message{Key: []byte("k"), Value: s.framed(exampleWith(t, old, with))}
	}
	s.produce(event("lead-4711", "lead-4711"), event(exampleEmail, strings.Repeat(`\u0001`, 200_000)), event("lead-4711", strings.Repeat("l", 257)))
	want := fmt.Sprint(map[string]int64{"record-too-large": 1, "invalid-partition-key": 1})

	options := everything("unfit")
	options.DryRun = true
	dry := replayAll(t, s.config(""), options)
	if dry.Delivered != 1 || fmt.Sprint(dry.DeadLettered) != want || dry.Estimate.Records != 1 {
		t.Errorf("dry run of a replay: %+v, estimate %+v", dry.Account, dry.Estimate)
	}
	s.loseToLetters(func(*consumer.Message) bool { return true })
	redrive := deadletters.RedriveOptions{ID: "unfit", MaxRedrives: 3, DryRun: true, Logger: slog.New(slog.DiscardHandler)}
	foretold, err := deadletters.Redrive(t.Context(), s.config(""), redrive)
	if err != nil {
		t.Fatal(err)
	}
	if foretold.Delivered != 1 || fmt.Sprint(foretold.DeadLettered) != want {
		t.Errorf("dry run of a redrive: %+v", foretold)
	}

	options.DryRun = false
	if a := replayAll(t, s.config(""), options); fmt.Sprint(a.Account) != fmt.Sprint(dry.Account) {
		t.Errorf("dry run %+v, replay %+v", dry.Account, a.Account)
	}
}
