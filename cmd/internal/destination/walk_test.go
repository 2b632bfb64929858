package destination

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/segmentio/kafka-go"

	"kinesis-destination/schemas"
)

// manySegments is an event of the newer schema that says of many unmapped segments
// that they changed: the walk over it passes many a look at whether it is to end.
func (r *ruled) manySegments() kafka.Message {
	r.t.Helper()
	const mapped = `["7841ba61-23c1-4bb3-a495-00d3g5fe1e93", "59bd2fkd-3c48-4b18-bf56-4f5c5e6967ae"]`
	body := exampleWith(r.t, mapped, "["+strings.Repeat(`"unmapped",`, 50_000)+`"unmapped"]`)
	return kafka.Message{Key: []byte("many"), Value: append(schemas.AppendFrame(nil, r.second), body...)}
}

// SIGTERM comes, and the time for what was handed out is over, when the walk over
// an event begins.
func TestSIGTERMEndsInTimeAmidTheWalkOverAnEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startRuled(t, strings.Replace(governedConfig, "onViolation: refuse", "onViolation: drop-field", 1))
		r.registerForbidden()
		walking, walk := make(chan struct{}), make(chan struct{})
		r.pipeline.rules.Load().Violated = func(string, error) { // as the schema's first event is judged
			close(walking)
			<-walk
		}
		r.produce(r.manySegments())
		<-walking
		time.AfterFunc(8*time.Second, func() { close(walk) })
		r.stop(t) // which looks at the time
		if a := r.Account(); a.Consumed != 1 || a.Withdrawn != 1 || a.Unaccounted() != 0 || len(r.letters()) > 0 {
			t.Errorf("account %+v, %d letters", a, len(r.letters()))
		}
		next := r.start(8181, "")
		r.settled(1, time.Minute, next)
		if a := next.Account(); a.Filtered["unmapped-segment"] != 1 {
			t.Errorf("the next owner: %+v", a)
		}
		next.stop(t)
	})
}
