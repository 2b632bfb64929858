package consumer

import (
	"runtime"
	"testing"
	"time"

	"github.com/segmentio/kafka-go/compress"
)

// What no budget counts does not grow with the machine: a pod without a limit of
// CPU sees all cores of its node.
func TestWhatDecompressionsTakeDoesNotGrowWithTheCores(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(64))
	d := newDecompressor()
	packed := lz4Of(t, make([]byte, 1000))
	const batches = 64
	inside, release, done := make(chan struct{}, batches), make(chan struct{}), make(chan error, batches)
	for range batches {
		go func() {
			_, _, err := d.whole(compress.Lz4, packed, func(int64) bool {
				inside <- struct{}{}
				<-release
				return true
			})
			done <- err
		}()
	}
	// As many as there are places come to where they have decompressed, then nobody.
	for range cap(d.slots) {
		select {
		case <-inside:
		case <-time.After(time.Minute):
			t.Fatal("fewer decompress at once than there are places")
		}
	}
	if most := int64(cap(d.slots)) * (2*lz4Block + wholeBytes); most > 18<<20 {
		t.Errorf("on 64 cores %d MiB are taken that nobody counts", most>>20)
	}
	close(release)
	for range batches {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// One process has one bound, whatever consumers, replays and reads within reads it has.
func TestAllWhoShareABudgetDecompressInTurns(t *testing.T) {
	b := NewBudget(1<<20, 1<<20)
	for name, other := range map[string]*Budget{"a reader beside the group": b.part(1 << 10), "one within it": b.part(1 << 10).part(1 << 9)} {
		if other.codecs != b.codecs {
			t.Errorf("%s decompresses beside the others", name)
		}
	}
}
