package destination

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/segmentio/kafka-go"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"

	"kinesis-destination/cmd/internal/leads"
	"kinesis-destination/consumer"
	"kinesis-destination/sink/embeddedkinesis"
)

const (
	producerSpan = "00f067aa0ba902b7"
	traceparent  = "00-4bf92f3577b34da6a3ce929d0e0e4736-" + producerSpan + "-01"
)

func TestSpansLinkEachCallToTheFetchesAndTheProducersOfItsRecords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t, 1, embeddedkinesis.Options{})
		spans := tracetest.NewInMemoryExporter()
		p := launch(t, b.config("server: {listen: \"127.0.0.1:8080\"}\n"), Options{
			Logger: slog.New(slog.NewTextHandler(b.log, nil)), Dial: b.network.DialContext, Listen: b.network.Listen,
			Tracing: sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans)),
		})
		b.kinesis.SetScript(func(embeddedkinesis.Call) embeddedkinesis.Action {
			return embeddedkinesis.Action{Code: "AccessDeniedException"}
		})
		lead := b.message(exported(t))
		lead.Headers = append(lead.Headers, kafka.Header{Key: "traceparent", Value: []byte(traceparent)})
		b.produce(lead)
		pass(2 * time.Second)
		b.kinesis.SetScript(nil)
		b.settled(1, time.Minute, p)
		p.stop(t)

		polls := map[trace.SpanID]bool{}
		var calls []tracetest.SpanStub
		for _, s := range spans.GetSpans() {
			switch s.Name {
			case "poll " + testTopic:
				polls[s.SpanContext.SpanID()] = true
			case "Kinesis.PutRecords":
				calls = append(calls, s)
			default:
				t.Errorf("a span is called %q", s.Name)
			}
			for _, a := range s.Attributes {
				if strings.Contains(a.Value.String(), string(lead.Key)) || strings.Contains(a.Value.String(), "@") {
					t.Errorf("the span %s tells of a profile: %s=%s", s.Name, a.Key, a.Value.String())
				}
			}
		}
		if len(polls) != 1 || len(calls) < 2 {
			t.Fatalf("%d fetches and %d calls were traced", len(polls), len(calls))
		}
		for i, call := range calls {
			fetched, produced := false, false
			for _, link := range call.Links {
				fetched = fetched || polls[link.SpanContext.SpanID()]
				produced = produced || link.SpanContext.SpanID().String() == producerSpan
			}
			if !fetched || !produced || len(call.Links) != 2 {
				t.Errorf("call %d has the links %v", i, call.Links)
			}
			refused := i < len(calls)-1
			if (call.Status.Code == codes.Error) != refused || refused && call.Status.Description != "access-denied" {
				t.Errorf("call %d of %d ended as %+v", i, len(calls), call.Status)
			}
		}
	})
}

// exported is an event that leaves.
func exported(t *testing.T) leads.Event {
	t.Helper()
	for g := newLeads(t, 1, 1); ; {
		event, err := g.Next()
		if err != nil {
			t.Fatal(err)
		}
		if event.Filtered == "" {
			return event
		}
	}
}

func TestTracingThatIsOffAllocatesNothing(t *testing.T) {
	p := &pipeline{}
	m := &consumer.Message{Headers: []consumer.Header{{Key: "traceparent", Value: []byte(traceparent)}}}
	if n := testing.AllocsPerRun(100, func() {
		if p.links(t.Context(), m) != nil {
			t.Error("links without tracing")
		}
	}); n != 0 {
		t.Errorf("%v allocations an event", n)
	}
}

// otlp is an OpenTelemetry collector that keeps the resources and names of spans.
type otlp struct {
	mu    sync.Mutex
	spans []string
}

func (o *otlp) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var request collector.ExportTraceServiceRequest
	if err != nil || r.URL.Path != "/v1/traces" || proto.Unmarshal(body, &request) != nil {
		http.Error(w, "not a trace", http.StatusBadRequest)
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, resource := range request.ResourceSpans {
		service := ""
		for _, a := range resource.Resource.Attributes {
			if a.Key == "service.name" || a.Key == "service.version" {
				service += a.Value.GetStringValue() + " "
			}
		}
		for _, s := range resource.ScopeSpans {
			for _, span := range s.Spans {
				o.spans = append(o.spans, service+span.Name)
			}
		}
	}
}

func TestTracingIsSetUpByTheStandardEnvironment(t *testing.T) {
	for name, c := range map[string]struct {
		environment map[string]string // COLLECTOR stands for the collector's address
		want        string            // of the span that arrives; empty: none
		fails       bool
	}{
		"nothing set":            {},
		"an endpoint":            {environment: map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "COLLECTOR"}, want: "kinesis-destination v1 a span"},
		"an endpoint for traces": {environment: map[string]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "COLLECTOR/v1/traces"}, want: "kinesis-destination v1 a span"},
		"a name":                 {environment: map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "COLLECTOR", "OTEL_SERVICE_NAME": "leads"}, want: "leads v1 a span"},
		"disabled":               {environment: map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "COLLECTOR", "OTEL_SDK_DISABLED": "true"}},
		"no exporter":            {environment: map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "COLLECTOR", "OTEL_TRACES_EXPORTER": "none"}},
		"no sample":              {environment: map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "COLLECTOR", "OTEL_TRACES_SAMPLER": "always_off"}},
		"a slip":                 {environment: map[string]string{"OTEL_TRACES_EXPORTER": "otpl"}, fails: true},
	} {
		t.Run(name, func(t *testing.T) {
			var got otlp
			server := httptest.NewServer(&got)
			defer server.Close()
			for key, value := range c.environment {
				t.Setenv(key, strings.ReplaceAll(value, "COLLECTOR", server.URL))
			}
			provider, err := Tracing(t.Context(), "v1", slog.New(slog.DiscardHandler))
			if c.fails {
				if err == nil || !strings.Contains(err.Error(), "OTEL_") {
					t.Errorf("the error is %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if provider != nil {
				_, span := provider.Tracer(scope).Start(context.Background(), "a span")
				span.End()
				if err := provider.Shutdown(t.Context()); err != nil {
					t.Error(err)
				}
			}
			if arrived := strings.Join(got.spans, ", "); arrived != c.want || (provider == nil) != (c.want == "" && name != "no sample") {
				t.Errorf("%q arrived; the provider is %v", arrived, provider)
			}
		})
	}
}
