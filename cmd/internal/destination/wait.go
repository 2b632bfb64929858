package destination

import (
	"context"
	"log/slog"
	"time"

	"github.com/cenkalti/backoff/v4"
)

// newHoldBackoff paces the attempts during a hold.
func newHoldBackoff() backoff.BackOff {
	return backoff.NewExponentialBackOff(backoff.WithInitialInterval(100*time.Millisecond),
		backoff.WithMaxInterval(10*time.Second), backoff.WithMaxElapsedTime(0))
}

// sleep waits; an error says that ctx ended.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// retryUntil tries until it succeeds or ctx ends; waiting hears once why it has to.
func retryUntil(ctx context.Context, try func() error, waiting func(error)) error {
	err := try()
	if err == nil || ctx.Err() != nil {
		return err
	}
	waiting(err)
	for wait := newHoldBackoff(); err != nil; err = try() {
		if err := sleep(ctx, wait.NextBackOff()); err != nil {
			return err
		}
	}
	return nil
}

// every calls f after each interval until ctx ends.
func every(ctx context.Context, interval time.Duration, f func()) {
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

// logHold tells of a hold outside of the pipeline; an empty reason ends one.
func logHold(log *slog.Logger, reason string, err error) {
	if reason != "" {
		log.Warn("held: retrying until the cause is gone", "reason", reason, "error", err)
	}
}

// waitingForKafka tells that a command waits for the cluster.
func waitingForKafka(log *slog.Logger) func(error) {
	return func(err error) { log.Warn("waiting for Kafka", "error", err) }
}
