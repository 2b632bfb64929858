package consumer

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
)

// fetchSpan is when a fetch began, and when its answer was there.
type fetchSpan struct{ began, came time.Time }

// tracing tells of the fetches that brought a claim's sets. The words are
// OpenTelemetry's semantic conventions for messaging.
type tracing struct {
	tracer trace.Tracer // nil: nothing is traced
	group  string

	span  trace.Span // of the set at hand; nil: none of its messages has come
	at    trace.SpanContext
	count int // of its messages
}

// mark marks the messages of a part with the fetch that brought them.
func (t *tracing) mark(ctx context.Context, c *claim, s *recordSet, p *part) {
	if t.tracer == nil {
		return
	}
	if t.span == nil {
		_, t.span = t.tracer.Start(ctx, "poll "+c.topic, trace.WithSpanKind(trace.SpanKindClient), trace.WithTimestamp(s.span.began))
		t.at, t.count = t.span.SpanContext(), 0
		if t.span.IsRecording() {
			t.span.SetAttributes(
				attribute.String("messaging.system", "kafka"),
				attribute.String("messaging.operation.name", "poll"),
				attribute.String("messaging.operation.type", "receive"),
				attribute.String("messaging.destination.name", c.topic),
				attribute.Int("messaging.destination.partition.id", c.partition),
				attribute.String("messaging.consumer.group.name", t.group),
				attribute.Int64("messaging.kafka.offset", p.messages[0].Offset),
			)
		}
	}
	t.count += len(p.messages)
	at := t.at
	for i := range p.messages {
		p.messages[i].Fetch = &at
	}
}

// end ends the span of a set: the fetch was over when its answer was there.
func (t *tracing) end(s *recordSet) {
	if t.span == nil {
		return
	}
	t.span.SetAttributes(attribute.Int("messaging.batch.message_count", t.count))
	t.span.End(trace.WithTimestamp(s.span.came))
	t.span = nil
}
