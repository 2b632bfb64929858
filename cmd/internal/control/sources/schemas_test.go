package sources

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"kinesis-destination/cmd/internal/rules"
	"kinesis-destination/consumer"
	"kinesis-destination/schemas"
)

// Each flow of a source asks for its schemas: a registry that does not answer would be waited
// for as often.
func TestARegistryThatIsAwayIsAskedOnceForAWhile(t *testing.T) {
	var asked atomic.Int32
	registry := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	defer registry.Close()
	source := &Source{Name: "profiles", Kafka: consumer.Config{Topic: "events"}, Config: schemas.Config{Registry: &schemas.RegistryConfig{URL: registry.URL}}}
	var all Schemas
	if _, err := all.Newest(t.Context(), source); err == nil {
		t.Fatal("a registry that is away gives schemas")
	}
	first := asked.Load()
	for range 100 {
		if _, err := all.Newest(t.Context(), source); err == nil {
			t.Fatal("a registry that is away is taken for one without labels")
		}
	}
	if n := asked.Load(); first == 0 || n != first {
		t.Errorf("asked %d times, and %d after that", first, n-first)
	}
}

// A pattern whose topics are not known was taken for one whose schemas have no labels.
func TestSchemasOfAPatternAreNotKnownWithoutItsTopics(t *testing.T) {
	source := &Source{
		Name: "profiles", Kafka: consumer.Config{Brokers: []string{"127.0.0.1:1"}, TopicPattern: "events-.*"},
		Config: schemas.Config{Registry: &schemas.RegistryConfig{URL: "http://127.0.0.1:1"}},
	}
	var all Schemas
	if _, err := all.Newest(t.Context(), source); !errors.Is(err, rules.ErrTopicsUnknown) {
		t.Error(err)
	}
}
