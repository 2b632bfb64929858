package sink

import (
	"context"
	"testing"
	"time"

	"kinesis-destination/sink/deadletter"
)

// start makes a sink; a further one is one of another process.
func (w *world) start() {
	w.t.Helper()
	t, o := w.t, w.with
	cfg := Config{
		Region: "us-east-1", Stream: testStream, Endpoint: "http://localhost:4567",
		Credentials: Credentials{AccessKeyID: fixed("key"), SecretAccessKey: fixed("secret")},
	}
	if o.config != nil {
		o.config(&cfg)
	}
	opts := Options{
		Destination: "test", Group: "group", DeadLetter: deadletter.Config{Topic: testDLT},
		Brokers: []string{"localhost:9092"}, KafkaTransport: w.broker, Dial: w.network.DialContext, Seed: 1,
		Hold: func(reason string, err error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.holds = append(w.holds, reason)
			if testing.Verbose() {
				w.t.Logf("hold %q: %v", reason, err)
			}
		},
	}
	if o.options != nil {
		o.options(&opts)
	}
	made, err := New(cfg, opts)
	if err != nil {
		t.Fatal(err)
	}
	w.sink = made
	t.Cleanup(func() { closeSink(t, made, time.Minute) })
}

func closeSink(t *testing.T, s *Sink, d time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	if err := s.Close(ctx); err != nil {
		t.Logf("close: %v", err)
	}
}
