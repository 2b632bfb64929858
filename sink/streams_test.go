package sink

import (
	"log/slog"
	"net/http/httptest"
	"testing"

	"kinesis-destination/sink/embeddedkinesis"
)

// A record pays for the units that it begins, so many small ones cost more than their
// bytes.
func TestWhatRecordsCostGoesByTheUnitsThatTheyBegin(t *testing.T) {
	for _, one := range []struct {
		capacity       Capacity
		records, bytes int64
		usd            float64
	}{
		{Capacity{Shards: 1}, 0, 0, 0},
		{Capacity{Shards: 1}, 1_000_000, 1_000_000 * 200, 0.014},
		{Capacity{Shards: 1}, 1_000_000, 1_000_000 * (PutUnitBytes + 1), 0.028},
		{Capacity{Shards: 1, OnDemand: true}, 1 << 20, 1 << 20, 0.08},
	} {
		if got := one.capacity.USD(one.records, one.bytes); got < one.usd*0.999 || got > one.usd*1.001 {
			t.Errorf("%+v: %f", one, got)
		}
	}
}

// All pages of a list are asked for, and the first streams say what they are.
func TestTheStreamsOfAnAccountAreListedToTheEnd(t *testing.T) {
	fake := embeddedkinesis.New(embeddedkinesis.Options{})
	for i := range 250 {
		fake.Create(embeddedkinesis.Stream{Name: "stream-" + string(rune('a'+i/26)) + string(rune('a'+i%26)), Shards: 2})
	}
	server := httptest.NewServer(fake)
	defer server.Close()
	t.Setenv("AWS_ACCESS_KEY_ID", "a")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "b")
	list, err := ListStreams(t.Context(), Config{Region: "us-east-1", Endpoint: server.URL}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if len(list.Streams) != 250 || list.More {
		t.Errorf("%d streams, more %v", len(list.Streams), list.More)
	}
	for i, s := range list.Streams {
		if described := s.State != nil && s.State.Shards == 2; described != (i < mostStreamsDescribe) {
			t.Errorf("%d: %+v", i, s.State)
		}
	}
}
