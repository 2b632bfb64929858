package journal

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"kinesis-destination/consumer/embeddedkafka"
)

// cluster is a Kafka: a real one where the environment names it, else the embedded one.
func cluster(t *testing.T) (Kafka, *embeddedkafka.Cluster) {
	t.Helper()
	k := Kafka{Topic: "control-" + strings.ToLower(newID()[:8])}
	if named := os.Getenv("KAFKA_BROKERS"); named != "" {
		k.Brokers = strings.Split(named, ",")
		return k, nil
	}
	embedded, err := embeddedkafka.Start(embeddedkafka.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(embedded.Close)
	k.Brokers = embedded.ListenAddrs()
	return k, embedded
}

func openKafka(t *testing.T, k Kafka) *Store {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	s, err := OpenKafka(ctx, k, options(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closed(t, s) })
	return s
}

func TestContractWhatOneReplicaAnsweredTheOtherReads(t *testing.T) {
	k, _ := cluster(t)
	a, b := openKafka(t, k), openKafka(t, k)
	tag := a.put(t, doc("flows/a", "", `{"n":1}`))
	for n := range 20 {
		s, other := a, b
		if n%2 == 0 {
			s, other = b, a
		}
		tag = s.put(t, doc("flows/a", tag, `{"n":2}`))
		snapshot, fresh := other.Read(t.Context())
		if !fresh.Fresh || snapshot.Etag("flows/a") != tag {
			t.Fatal(fresh, snapshot.Etag("flows/a"), tag)
		}
	}
	if status := a.Status(); status.ReadOnly != "" || status.Documents != 1 {
		t.Errorf("%+v", status)
	}
}

func TestContractAThousandWritersOfOneDocumentAllGetAnAnswer(t *testing.T) {
	k, _ := cluster(t)
	writers(t, 1000, openKafka(t, k), openKafka(t, k), openKafka(t, k))
}
