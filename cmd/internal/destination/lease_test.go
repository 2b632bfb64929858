package destination

import (
	"context"
	"log/slog"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"kinesis-destination/consumer"
	"kinesis-destination/sink/embeddedkinesis"
)

// A process that its coordinator no longer hears cannot know whether it has a
// successor: the stream, which it still reaches, gets nothing more from it.
func TestAProcessWithoutItsCoordinatorWritesNothingAfterItsSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t, 3, embeddedkinesis.Options{})
		kafkaLink := &link{dial: b.network.DialContext, conns: map[net.Conn]bool{}, delay: func(uint16) time.Duration { return 0 }}
		p := launch(t, b.config("server: {listen: \"127.0.0.1:8080\"}\n"), Options{
			Logger: slog.New(slog.NewTextHandler(b.log, nil)), Listen: b.network.Listen,
			Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
				if strings.HasSuffix(address, ":9092") {
					return kafkaLink.Dial(ctx, network, address)
				}
				return b.network.DialContext(ctx, network, address)
			},
		})
		g, o := newLeads(t, 51, 20), newOracle()
		b.feed(g, o, 100)
		b.settled(o.total, time.Minute, p)
		stored := len(b.kinesis.History(testStream))
		b.kinesis.SetScript(func(embeddedkinesis.Call) embeddedkinesis.Action {
			return embeddedkinesis.Action{Code: "InternalFailure"}
		})
		b.feed(g, o, 200)
		pass(10 * time.Second)
		kafkaLink.Cut()
		pass(2 * consumer.DefaultSessionTimeout)
		b.kinesis.SetScript(nil)
		pass(5 * time.Minute)
		if n := len(b.kinesis.History(testStream)) - stored; n != 0 {
			t.Errorf("%d records were written after the session", n)
		}
		kafkaLink.Heal()
		pass(2 * time.Minute)
		p.stop(t)
		if v := o.judge(b.kinesis.History(testStream)); v != (verdict{}) {
			t.Errorf("once the coordinator is back: %+v", v)
		}
	})
}
