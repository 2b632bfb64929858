package hold

import (
	"context"
	"log/slog"
	"time"

	"kinesis-destination/schemas/backoff"
)

// NewBackoff paces the attempts during a hold.
func NewBackoff() *backoff.Backoff {
	return backoff.New(backoff.Config{Initial: 100 * time.Millisecond, Max: 10 * time.Second}, time.Now())
}

// RetryUntil tries until it succeeds or ctx ends; waiting hears once why it has to.
func RetryUntil(ctx context.Context, try func() error, waiting func(error)) error {
	err := try()
	if err == nil || ctx.Err() != nil {
		return err
	}
	waiting(err)
	for wait := NewBackoff(); err != nil; err = try() {
		if err := backoff.Sleep(ctx, wait.NextBackOff()); err != nil {
			return err
		}
	}
	return nil
}

// Every calls f after each interval until ctx ends.
func Every(ctx context.Context, interval time.Duration, f func()) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			f()
		}
	}
}

// Log tells of a hold outside of the pipeline; an empty reason ends one.
func Log(log *slog.Logger, reason string, err error) {
	if reason != "" {
		log.Warn("held: retrying until the cause is gone", "reason", reason, "error", err)
	}
}

// WaitingForKafka tells that a command waits for the cluster.
func WaitingForKafka(log *slog.Logger) func(error) {
	return func(err error) { log.Warn("waiting for Kafka", "error", err) }
}
