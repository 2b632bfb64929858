package hold

import (
	"context"
	"time"

	"kinesis-destination/schemas/backoff"
)

// NewBackoff paces the attempts during a hold.
func NewBackoff() *backoff.Backoff {
	return backoff.New(backoff.Config{Initial: 100 * time.Millisecond, Max: 10 * time.Second}, time.Now())
}

// RetryUntil tries until it succeeds or ctx ends; waiting hears once why it has to, and of
// no error when it has succeeded after that.
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
	waiting(nil)
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
