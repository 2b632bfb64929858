package destination

import (
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"kinesis-destination/cmd/internal/config"
	"kinesis-destination/sink/embeddedkinesis"
)

func TestAProcessIsReadyOnceItsStreamHasAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t, 2, embeddedkinesis.Options{})
		b.kinesis.SetScript(func(embeddedkinesis.Call) embeddedkinesis.Action {
			return embeddedkinesis.Action{Code: "InternalFailure"}
		})
		p := b.start(8080, "")
		pass(2 * time.Second) // the stream is not yet called away
		if code, why := b.get(8080, "/readyz"); code != http.StatusServiceUnavailable || why != "leads: the stream has not answered yet\n" {
			t.Errorf("%d %q", code, why)
		}
		pass(5 * time.Minute)
		if code, why := b.get(8080, "/readyz"); code != http.StatusServiceUnavailable || why != "leads: held: service-unavailable\n" {
			t.Errorf("%d %q", code, why)
		}
		b.kinesis.SetScript(nil)
		pass(time.Minute)
		if code, why := b.get(8080, "/readyz"); code != http.StatusOK {
			t.Errorf("without an event, a minute after the stream answers: %d %q", code, why)
		}
		p.stop(t)
	})
}

func TestAProcessIsReadyOnceItsRegistryHasAnsweredWell(t *testing.T) {
	for name, source := range map[string]string{"a topic": "topic: segment-evaluations", "a pattern": "topicPattern: segment-.*"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBubble(t, 2, embeddedkinesis.Options{})
				var well atomic.Bool
				b.serve(8082, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if well.Load() {
						b.registry.ServeHTTP(w, r)
						return
					}
					http.Error(w, "no", http.StatusForbidden)
				}))
				text := strings.NewReplacer("topic: segment-evaluations", source, "8081", "8082").Replace(BubbleConfig) + "server: {listen: \"127.0.0.1:8080\"}\n"
				config, err := config.Parse("bubble.yaml", []byte(text))
				if err != nil {
					t.Fatal(err)
				}
				p := launch(t, config, Options{Logger: slog.New(slog.DiscardHandler), Dial: b.network.DialContext, Listen: b.network.Listen})
				pass(time.Minute)
				if code, why := b.get(8080, "/readyz"); code != http.StatusServiceUnavailable || !strings.Contains(why, "the schema registry has not answered well yet: ") || !strings.Contains(why, "refuses the credentials") {
					t.Errorf("%d %q", code, why)
				}
				well.Store(true)
				pass(2 * registryEvery)
				if code, why := b.get(8080, "/readyz"); code != http.StatusOK {
					t.Errorf("without an event, once the registry answers: %d %q", code, why)
				}
				p.stop(t)
			})
		})
	}
}

// A member has its lease with its assignment; where the partitions go on it has to find
// out first.
func TestAProcessIsNotReadyBeforeItWorksOnItsFirstAssignment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t, 2, embeddedkinesis.Options{})
		b.kafka.ControlKey(int16(kmsg.OffsetFetch), func(kmsg.Request) (kmsg.Response, error, bool) {
			b.kafka.SleepControl(func() { pass(5 * time.Second) })
			return nil, nil, false
		})
		p := b.start(8080, "")
		pass(4 * time.Second)
		if code, why := b.get(8080, "/readyz"); code != http.StatusServiceUnavailable || !strings.Contains(why, "no assignment yet") {
			t.Errorf("%d %q", code, why)
		}
		pass(3 * time.Second)
		if code, why := b.get(8080, "/readyz"); code != http.StatusOK {
			t.Errorf("%d %q", code, why)
		}
		p.stop(t)
	})
}
