package sink

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"
)

// TestARecordCountsAllThatIsWrittenOfIt, whatever its size, its key and the buffer that it has from another document;
// and it uses that buffer again, unless it is too small or far too large.
func TestARecordCountsAllThatIsWrittenOfIt(t *testing.T) {
	for _, with := range []Config{{Protocol: ProtocolJSON}, {Protocol: ProtocolCBOR}, {Aggregation: AggregationKPL}} {
		t.Run(with.Protocol+with.Aggregation, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, worldOptions{missing: true, config: func(cfg *Config) { cfg.Protocol, cfg.Aggregation = with.Protocol, with.Aggregation }})
				for i, size := range []int{0, 1, 600, CopiedAtMost - 1, CopiedAtMost, CopiedAtMost + 1, 6_913, 20_000, 24_471, 32_828, 33_000, 100_000, 1 << 20} {
					for j, key := range []string{"plain", strings.Repeat("\x01", 250)} {
						checkWritten(t, w, fmt.Sprint(key, i, j), size, j == 0)
					}
				}
				w.close(time.Minute)
			})
		})
	}
}

func checkWritten(t *testing.T, w *world, key string, size int, plain bool) {
	t.Helper()
	for n, reused := range []bool{false, true, true, false} {
		tr := w.oracle.record(fmt.Sprint(key, n), size, nil)
		r := tr.rec
		raw := w.sink.aggregate > 0 || len(r.Data) > CopiedAtMost
		need := len(r.Data)
		if !raw {
			need = w.sink.client.wire.room(need, len(r.PartitionKey))
		}
		r.written = make([]byte, 0, []int{need - 1, need, 2*need + slackWritten, 2*need + slackWritten + 1}[n])
		had, before := cap(r.written), unsafe.SliceData(r.written)
		if err := tr.put(t.Context(), w.sink); err != nil {
			t.Fatal(err)
		}
		if r.raw != raw {
			t.Errorf("a document of %d bytes waits as it is: %v", r.length, r.raw)
		}
		if r.Data != nil || len(r.written) < r.length || r.cost < recordCost+len(r.PartitionKey)+cap(r.written)+r.Source.Held() {
			t.Errorf("a document of %d bytes, where there was a buffer of %d: %d are written, %d kept, %d count", r.length, had, len(r.written), cap(r.written), r.cost)
		}
		if r.length <= CopiedAtMost && (plain || raw) && (unsafe.SliceData(r.written) == before) != reused {
			t.Errorf("a document of %d bytes uses a buffer of %d again: %v", r.length, had, !reused)
		}
	}
}

// TestALargeDocumentIsNotCopied, unless it waits in far more than it needs.
func TestALargeDocumentIsNotCopied(t *testing.T) {
	const size = CopiedAtMost + 1
	for room, same := range map[int]bool{size: true, 2*size + slackWritten: true, 2*size + slackWritten + 1: false} {
		r := &Record{PartitionKey: "k", Data: make([]byte, size, room), length: size, written: make([]byte, 0, keepWritten)}
		(&Sink{}).write(r)
		if len(r.written) != size || (unsafe.SliceData(r.written) == unsafe.SliceData(r.Data)) != same || cap(r.written) > 2*size+slackWritten {
			t.Errorf("in a buffer of %d: it waits in %d, the same: %v", room, cap(r.written), !same)
		}
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
