package destination

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"

	"go.opentelemetry.io/contrib/exporters/autoexport"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"kinesis-destination/consumer"
)

// scope names who makes the spans.
const scope = "kinesis-destination"

// Tracing is set up by OpenTelemetry's standard environment variables. It is nil,
// and costs nothing, unless one of OTEL_TRACES_EXPORTER, OTEL_EXPORTER_OTLP_ENDPOINT
// and OTEL_EXPORTER_OTLP_TRACES_ENDPOINT is set: the standard's default, to send to
// localhost, would have every process without a collector complain.
func Tracing(ctx context.Context, version string, log *slog.Logger) (*sdktrace.TracerProvider, error) {
	if !tracingWanted() {
		return nil, nil
	}
	logTracing(log)
	exporter, err := autoexport.NewSpanExporter(ctx)
	if err != nil {
		return nil, fmt.Errorf("set up tracing by the OTEL_… environment variables: %w", err)
	}
	about, err := resource.New(ctx, resource.WithTelemetrySDK(),
		resource.WithAttributes(attribute.String("service.name", scope), attribute.String("service.version", version)),
		resource.WithFromEnv()) // the last wins
	if err != nil {
		return nil, fmt.Errorf("set up tracing by OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	return sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(about)), nil
}

func tracingWanted() bool {
	exporter := os.Getenv("OTEL_TRACES_EXPORTER")
	if strings.EqualFold(os.Getenv("OTEL_SDK_DISABLED"), "true") || exporter == "none" {
		return false
	}
	return exporter != "" || os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT") != "" || os.Getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") != ""
}

func (o *Options) tracer() trace.Tracer {
	if o.Tracing == nil {
		return nil
	}
	return o.Tracing.Tracer(scope)
}

// links are the spans that an event comes from: the fetch that brought it, and
// the producer's, where the message has a traceparent header.
func (p *pipeline) links(ctx context.Context, m *consumer.Message) []trace.Link {
	if !p.traced {
		return nil
	}
	var links []trace.Link
	if m.Fetch != nil {
		links = append(links, trace.Link{SpanContext: *m.Fetch})
	}
	from := propagation.TraceContext{}.Extract(trace.ContextWithSpanContext(ctx, trace.SpanContext{}), carrier(m.Headers))
	if producer := trace.SpanContextFromContext(from); producer.IsValid() {
		links = append(links, trace.Link{SpanContext: producer})
	}
	return links
}

// carrier lets OpenTelemetry read the headers of a message.
type carrier []consumer.Header

// longestTrace is what tracestate may have at most by W3C's recommendation, and
// more than traceparent has. A longer header is no trace: a producer may send any.
const longestTrace = 512

// Get implements propagation.TextMapCarrier.
func (c carrier) Get(key string) string {
	for _, h := range c {
		if h.Key == key && len(h.Value) <= longestTrace {
			return string(h.Value)
		}
	}
	return ""
}

// Set implements propagation.TextMapCarrier; nothing is written into what arrived.
func (c carrier) Set(string, string) {}

// Keys implements propagation.TextMapCarrier.
func (c carrier) Keys() []string {
	keys := make([]string, len(c))
	for i, h := range c {
		keys[i] = h.Key
	}
	return keys
}
