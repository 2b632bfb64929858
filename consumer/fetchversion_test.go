package consumer

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// A name can come to mean another topic between two looks at the ids: a fetch that
// names the id cannot be answered with what stands in the other one.
func TestATopicIsFetchedByItsIDWhereTheBrokerKnowsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2)
		w.produce(0, 0, 5)
		const byID = 13 // KIP-516
		var mu sync.Mutex
		versions := map[int16]int{}
		w.kafka.ControlKey(int16(kmsg.Fetch), func(r kmsg.Request) (kmsg.Response, error, bool) {
			w.kafka.KeepControl()
			mu.Lock()
			defer mu.Unlock()
			versions[r.GetVersion()]++
			return nil, nil, false
		})
		m := w.member(Options{}, settle)
		pass(10 * time.Second)
		m.stop(t)
		mu.Lock()
		defer mu.Unlock()
		if len(m.values()) != 5 || versions[byID] == 0 || len(versions) != 1 {
			t.Errorf("%d messages, fetches by version: %v", len(m.values()), versions)
		}
	})
}
