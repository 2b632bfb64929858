package sink

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestARecordCountsAllThatIsWrittenOfIt, whatever its size, its key and the buffer that it has from another document.
func TestARecordCountsAllThatIsWrittenOfIt(t *testing.T) {
	for _, with := range []Config{{Protocol: ProtocolJSON}, {Protocol: ProtocolCBOR}, {Aggregation: AggregationKPL}} {
		t.Run(with.Protocol+with.Aggregation, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, worldOptions{missing: true, config: func(cfg *Config) { cfg.Protocol, cfg.Aggregation = with.Protocol, with.Aggregation }})
				for i, size := range []int{0, 1, 600, writtenFirst - 1, writtenFirst, writtenFirst + 1, 20_000, 100_000, 1 << 20} {
					for j, had := range []int{0, size, 3*size + slackWritten, 5*size + 2*slackWritten} {
						tr := w.oracle.record(fmt.Sprint(strings.Repeat("\x01", 250), i, j), size, nil)
						tr.rec.written = make([]byte, 0, had)
						if err := tr.put(t.Context(), w.sink); err != nil {
							t.Fatal(err)
						}
						r := tr.rec
						if r.Data != nil || len(r.written) < r.length || r.cost < recordCost+len(r.PartitionKey)+cap(r.written) {
							t.Errorf("a document of %d bytes, where there was a buffer of %d: %d are written, %d kept, %d count", r.length, had, len(r.written), cap(r.written), r.cost)
						}
						if most := 2*w.sink.client.wire.room(r.length, 6*len(r.PartitionKey)) + slackWritten; cap(r.written) > most {
							t.Errorf("a document of %d bytes waits in a buffer of %d", r.length, cap(r.written))
						}
					}
				}
				w.close(time.Minute)
			})
		})
	}
}

func TestAMuchLargerDocumentsBufferIsNotKept(t *testing.T) {
	r := &Record{PartitionKey: "k", written: make([]byte, 0, keepWritten+1)}
	if r.Reset(); r.written != nil || r.PartitionKey != "" {
		t.Errorf("kept: %d bytes", cap(r.written))
	}
	r.written = make([]byte, 0, keepWritten)
	if r.Reset(); cap(r.written) != keepWritten {
		t.Error("a usual buffer is not kept")
	}
}
