package sink

import (
	"testing"

	"go.opentelemetry.io/otel/trace"
)

func TestTracingThatIsOffAllocatesNothing(t *testing.T) {
	l := &lane{sink: &Sink{}}
	batch := []inFlight{{head: []entry{{rec: &Record{}}}}}
	if n := testing.AllocsPerRun(100, func() {
		l.startSpan(t.Context(), batch)
		l.endSpan(putOK, "", 0)
	}); n != 0 {
		t.Errorf("%v allocations a call", n)
	}
	if l.span != trace.Span(nil) {
		t.Error("a span was begun")
	}
}
