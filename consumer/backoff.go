package consumer

import (
	"context"
	"time"

	"kinesis-destination/schemas/backoff"
)

// newBackoff is how often something that failed is tried again, for ever.
func newBackoff() *backoff.Backoff {
	return backoff.New(backoff.Config{Initial: 100 * time.Millisecond, Max: 5 * time.Second}, time.Now())
}

// pause waits for d or for the end of ctx, which the caller looks at next.
func pause(ctx context.Context, d time.Duration) { _ = backoff.Sleep(ctx, d) }
