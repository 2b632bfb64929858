package consumer

import (
	"context"
	"log/slog"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// hung is a network on which one address takes connections and answers nothing.
func (w *world) hung(address string) func(ctx context.Context, network, address string) (net.Conn, error) {
	return func(ctx context.Context, network, to string) (net.Conn, error) {
		if strings.HasSuffix(to, address) {
			here, there := net.Pipe()
			go func() { // takes what is sent, until the connection ends
				b := make([]byte, 1024)
				for {
					if _, err := there.Read(b); err != nil {
						return
					}
				}
			}()
			return here, nil
		}
		return w.network.DialContext(ctx, network, to)
	}
}

// kafka-go tries the addresses in any order: each attempt below is one.
func TestAnAddressThatAnswersNothingIsPassedBy(t *testing.T) {
	const attempts = 20
	for name, addresses := range map[string][]string{
		"one of two":   {"127.0.0.1:9999", "127.0.0.1:9092"},
		"two of three": {"127.0.0.1:9999", "127.0.0.2:9999", "127.0.0.1:9092"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, 1)
				w.config.Brokers = addresses
				dial := w.hung(":9999")
				within := func(attempt func(ctx context.Context)) {
					ctx, cancel := context.WithTimeout(context.Background(), requestTimeout)
					defer cancel()
					attempt(ctx)
				}
				for range attempts {
					within(func(ctx context.Context) {
						h, err := NewHistory(w.config, dial)
						if err != nil {
							t.Fatal(err)
						}
						if _, err := h.Ranges(ctx, Beginning(), End()); err != nil {
							t.Errorf("the offsets of the topic: %v", err)
						}
						h.Close()
					})
					within(func(ctx context.Context) {
						c, err := New(w.config, Options{Dial: dial, Logger: slog.New(slog.DiscardHandler)})
						if err != nil {
							t.Fatal(err)
						}
						if _, err := c.Check(ctx); err != nil {
							t.Errorf("the check of the topic: %v", err)
						}
						c.Close()
					})
					within(func(ctx context.Context) {
						if _, err := MissingRights(ctx, w.config, dial); err != nil {
							t.Errorf("the rights: %v", err)
						}
					})
					pass(time.Minute)
				}
				pass(time.Minute) // for what is still being opened
			})
		})
	}
}
