package consumer

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
)

// trace tells of the fetch that brought a partition's batch, from its request to
// now, and marks the batch's messages with it. The words are OpenTelemetry's
// semantic conventions for messaging.
func (f *fetcher) trace(ctx context.Context, c *claim, b *batch, began time.Time) {
	if f.tracer == nil || len(b.messages) == 0 {
		return
	}
	_, span := f.tracer.Start(ctx, "poll "+c.topic, trace.WithSpanKind(trace.SpanKindClient), trace.WithTimestamp(began))
	if span.IsRecording() {
		span.SetAttributes(
			attribute.String("messaging.system", "kafka"),
			attribute.String("messaging.operation.name", "poll"),
			attribute.String("messaging.operation.type", "receive"),
			attribute.String("messaging.destination.name", c.topic),
			attribute.Int("messaging.destination.partition.id", c.partition),
			attribute.String("messaging.consumer.group.name", f.group),
			attribute.Int64("messaging.kafka.offset", b.messages[0].Offset),
			attribute.Int("messaging.batch.message_count", len(b.messages)),
		)
	}
	span.End()
	at := span.SpanContext()
	for i := range b.messages {
		b.messages[i].Fetch = &at
	}
}
