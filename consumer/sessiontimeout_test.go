package consumer

import (
	"context"
	"log/slog"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// A request to the stream ends a second before the lease, so what is always left of
// the lease is what a request always has, and a second.
func TestEverySessionTimeoutLeavesARequestItsTime(t *testing.T) {
	for session, least := range map[time.Duration]time.Duration{
		minSessionTimeout: 4900 * time.Millisecond, 10 * time.Second: 8300 * time.Millisecond,
		DefaultSessionTimeout: 41 * time.Second, time.Minute: 56 * time.Second,
	} {
		t.Run(session.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, 1)
				w.config.SessionTimeout = session
				m := w.member(Options{}, settle)
				pass(10 * time.Second)
				for range 600 {
					if left := time.Until(m.Lease()); left < least || left > session {
						t.Fatalf("%v left of the lease", left)
					}
					pass(100 * time.Millisecond)
				}
				m.stop(t)
			})
		})
	}
}

func TestAShorterSessionHasTheNextMemberBeginEarlierAfterACrash(t *testing.T) {
	for session, most := range map[time.Duration]time.Duration{minSessionTimeout: 12 * time.Second, DefaultSessionTimeout: 60 * time.Second} {
		t.Run(session.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, 2)
				w.config.SessionTimeout = session
				down := &counted{open: map[net.Conn]bool{}, network: w.network.DialContext}
				first := w.member(Options{Dial: down.dial}, settle)
				pass(10 * time.Second)
				down.outage()
				crashed := time.Now()
				second := w.member(Options{}, settle)
				for len(second.Stats().Partitions) < 2 && time.Since(crashed) < most {
					pass(100 * time.Millisecond)
				}
				took := time.Since(crashed)
				if took >= most || time.Until(first.Lease()) > 0 {
					t.Errorf("the next owner began after %v, the lease of the first lasts for %v more", took, time.Until(first.Lease()))
				}
				first.stop(t)
				second.stop(t)
			})
		})
	}
}

func TestASessionTimeoutThatTheBrokersDoNotTakeIsNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		w.config.SessionTimeout = time.Minute
		w.kafka.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.JoinGroup}, Err: kerr.InvalidSessionTimeout, Count: -1})
		c, err := New(w.config, Options{Dial: w.network.DialContext, Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_, err = c.join(context.Background())
		if err == nil || HoldReason(err) != ReasonGroupProtocol || !strings.Contains(err.Error(), "source.kafka.sessionTimeout: 1m0s") {
			t.Errorf("%v", err)
		}
	})
}

func TestASessionTimeoutBeyondKafkasBoundsIsAMistake(t *testing.T) {
	for text, right := range map[string]bool{"5999ms": false, "6s": true, "30m": true, "30m1s": false, "-1s": false} {
		d, err := time.ParseDuration(text)
		if err != nil {
			t.Fatal(err)
		}
		c := Config{Brokers: []string{"127.0.0.1:9092"}, Topic: "events", Group: "g", SessionTimeout: d}
		c.Defaults()
		told := ""
		c.Validate(func(path, _ string) { told += path })
		if (told == "") != right || !right && told != "sessionTimeout" {
			t.Errorf("%s: mistakes in %q", text, told)
		}
	}
}
