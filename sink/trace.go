package sink

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// startSpan begins the span of a call, linked to the spans that its records come
// from, each once. The words are OpenTelemetry's semantic conventions for AWS.
func (l *lane) startSpan(ctx context.Context, batch []inFlight) context.Context {
	if l.sink.opts.Tracer == nil {
		return ctx
	}
	ctx, l.span = l.sink.opts.Tracer.Start(ctx, "Kinesis.PutRecords", trace.WithSpanKind(trace.SpanKindClient))
	if !l.span.IsRecording() {
		return ctx
	}
	l.span.SetAttributes(
		attribute.String("rpc.system", "aws-api"),
		attribute.String("rpc.service", "Kinesis"),
		attribute.String("rpc.method", "PutRecords"),
		attribute.String("aws.kinesis.stream_name", l.sink.cfg.Stream),
		attribute.Int("messaging.batch.message_count", entries(batch)),
	)
	linked := map[trace.SpanID]bool{}
	for _, f := range batch {
		for _, e := range f.head {
			for _, link := range e.rec.Links {
				if id := link.SpanContext.SpanID(); !linked[id] {
					linked[id] = true
					l.span.AddLink(link)
				}
			}
		}
	}
	return ctx
}

// endSpan says how the call ended: a result as the metrics have it and, where
// records were not stored, how many and the reason word of the last.
func (l *lane) endSpan(result, reason string, failed int) {
	if l.span == nil {
		return
	}
	l.span.SetAttributes(attribute.String("kinesis_destination.result", result))
	if failed > 0 {
		l.span.SetAttributes(attribute.String("error.type", reason), attribute.Int("kinesis_destination.failed_records", failed))
		l.span.SetStatus(codes.Error, reason)
	}
	l.span.End()
	l.span = nil
}
