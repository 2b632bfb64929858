package consumer

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestABrokerThatLeftTheClusterIsDialledNoMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2, 9092, 9093)
		transport, err := w.config.Transport(w.network.DialContext)
		if err != nil {
			t.Fatal(err)
		}
		defer transport.CloseIdleConnections()
		for n := 0; ; n++ { // a group that the second broker coordinates
			w.config.Group = fmt.Sprint("g", n)
			res, err := (&kafka.Client{Transport: transport}).FindCoordinator(t.Context(), &kafka.FindCoordinatorRequest{
				Addr: w.config.Addr(), Key: w.config.Group, KeyType: kafka.CoordinatorKeyTypeConsumer,
			})
			if err != nil {
				t.Fatal(err)
			}
			if res.Coordinator.NodeID == 1 {
				break
			}
		}
		var dialled atomic.Int32
		dial := func(ctx context.Context, network, address string) (net.Conn, error) {
			if strings.HasSuffix(address, ":9093") {
				dialled.Add(1)
			}
			return w.network.DialContext(ctx, network, address)
		}
		m := w.member(Options{Dial: dial}, settle)
		pass(time.Minute)
		if dialled.Load() == 0 {
			t.Fatal("the second broker does not coordinate: the story tells nothing")
		}
		if err := w.kafka.RemoveNode(1); err != nil {
			t.Fatal(err)
		}
		pass(5 * time.Minute)
		before := dialled.Load()
		pass(10 * time.Minute)
		if n := dialled.Load() - before; n > 0 {
			t.Errorf("a broker that left 5 minutes ago is dialled %d times in 10 minutes", n)
		}
		w.produce(0, 0, 10)
		pass(10 * time.Second)
		m.stop(t)
		if got := len(m.values()); got != 10 {
			t.Errorf("handed out %d of 10", got)
		}
	})
}

func TestTheGroupIsLeftAlsoRightAfterAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		var left atomic.Int32
		w.kafka.ControlKey(int16(kmsg.LeaveGroup), func(kmsg.Request) (kmsg.Response, error, bool) {
			w.kafka.KeepControl()
			left.Add(1)
			return nil, nil, false
		})
		down := &counted{open: map[net.Conn]bool{}, network: w.network.DialContext}
		m := w.member(Options{Dial: down.dial}, settle)
		pass(20 * time.Second)
		down.outage()
		pass(20 * time.Second)
		down.down.Store(false)
		m.stop(t)
		if left.Load() != 1 {
			t.Error("the group was not left: its partitions move only when the session times out")
		}
	})
}
