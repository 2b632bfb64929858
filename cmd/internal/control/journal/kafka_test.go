package journal

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"kinesis-destination/consumer/embeddedkafka"
)

// broker is a Kafka of one broker: a real one where the environment names it, else
// the embedded one.
func broker(t *testing.T) Kafka {
	t.Helper()
	k := Kafka{Topic: "control-" + strings.ToLower(newID()[:8])}
	if named := os.Getenv("KAFKA_BROKERS"); named != "" {
		k.Brokers = strings.Split(named, ",")
		return k
	}
	embedded, err := embeddedkafka.Start(embeddedkafka.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(embedded.Close)
	k.Brokers = embedded.ListenAddrs()
	return k
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

// admin is what someone else does to the topic.
type admin struct {
	*kafka.Client
	topic string
}

func adminOf(t *testing.T, k Kafka) admin {
	t.Helper()
	transport := &kafka.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return admin{&kafka.Client{Addr: kafka.TCP(k.Brokers...), Transport: transport}, k.Topic}
}

func (a admin) set(t *testing.T, name, value string) {
	t.Helper()
	res, err := a.IncrementalAlterConfigs(t.Context(), &kafka.IncrementalAlterConfigsRequest{Resources: []kafka.IncrementalAlterConfigsRequestResource{{
		ResourceType: kafka.ResourceTypeTopic, ResourceName: a.topic,
		Configs: []kafka.IncrementalAlterConfigsRequestConfig{{Name: name, Value: value, ConfigOperation: kafka.ConfigOperationSet}},
	}}})
	if err == nil {
		err = res.Resources[0].Error
	}
	if err != nil {
		t.Fatal(err)
	}
}

func (a admin) write(t *testing.T, key, value string) {
	t.Helper()
	res, err := a.Produce(t.Context(), &kafka.ProduceRequest{
		Topic: a.topic, RequiredAcks: kafka.RequireAll,
		Records: kafka.NewRecordReader(kafka.Record{Time: time.Now(), Key: kafka.NewBytes([]byte(key)), Value: kafka.NewBytes([]byte(value))}),
	})
	if err == nil {
		err = res.Error
	}
	if err != nil {
		t.Fatal(err)
	}
}

func (a admin) delete(t *testing.T) {
	t.Helper()
	res, err := a.DeleteTopics(t.Context(), &kafka.DeleteTopicsRequest{Topics: []string{a.topic}})
	if err == nil {
		err = res.Errors[a.topic]
	}
	if err != nil {
		t.Fatal(err)
	}
}

// await waits until something about a store is so.
func await(t *testing.T, s *Store, what string, so func(Status) bool) Status {
	t.Helper()
	deadline := time.After(time.Minute)
	for {
		_, moved := s.Watch()
		status := s.Status()
		if so(status) {
			return status
		}
		select {
		case <-moved:
		case <-time.After(100 * time.Millisecond): // not everything of a status moves
		case <-deadline:
			t.Fatalf("%s: %+v", what, status)
		}
	}
}

// recheckUntil looks at the topic until something about the store is so: a broker answers
// a change of its configuration before all that it serves know of it, and a client keeps
// for some seconds what it was told of a topic.
func recheckUntil(t *testing.T, s *Store, what string, so func(Status) bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; <-time.After(50 * time.Millisecond) {
		s.recheck(t.Context())
		if so(s.Status()) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: %+v", what, s.Status())
		}
	}
}

func TestContractWhatOneReplicaAnsweredTheOtherReads(t *testing.T) {
	k := broker(t)
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
	third := openKafka(t, k)
	if snapshot, _ := third.Read(t.Context()); snapshot.Store != a.Status().Store || snapshot.Etag("flows/a") != tag {
		t.Errorf("%+v", snapshot)
	}
}

func TestContractAThousandWritersOfOneDocumentAllGetAnAnswer(t *testing.T) {
	k := broker(t)
	if unknown := writers(t, 1000, openKafka(t, k), openKafka(t, k), openKafka(t, k)); unknown > 0 {
		t.Error(unknown)
	}
}

func TestContractATopicThatWouldLoseEntriesIsReadOnlyWithAllReasons(t *testing.T) {
	k := broker(t)
	s, a := openKafka(t, k), adminOf(t, k)
	tag := s.put(t, doc("flows/a", "", `{}`))
	a.set(t, cleanupPolicy, "compact")
	a.set(t, retentionTime, "1000000")
	both := func(text string) bool {
		return strings.Contains(text, "cleanup.policy is compact, and must be delete") && strings.Contains(text, "retention.ms is 1000000, and must be -1")
	}
	recheckUntil(t, s, "all reasons", func(status Status) bool { return both(status.ReadOnly) })
	for _, s := range []*Store{s, openKafka(t, k)} { // one that runs, and one that is started
		if status := s.Status(); !both(status.ReadOnly) {
			t.Errorf("%+v", status)
		}
		if err := propose(t, s, doc("flows/b", "", `{}`)); !errors.Is(err, ErrReadOnly) || !both(err.Error()) {
			t.Error(err)
		}
		if snapshot, fresh := s.Read(t.Context()); !fresh.Fresh || snapshot.Etag("flows/a") != tag {
			t.Errorf("%+v", fresh)
		}
	}
	a.set(t, cleanupPolicy, "delete")
	a.set(t, retentionTime, "-1")
	recheckUntil(t, s, "writable again", func(status Status) bool { return status.ReadOnly == "" })
	s.put(t, doc("flows/b", "", `{}`))
}

func TestContractATopicMadeAnewStopsTheStoreAndStaysSo(t *testing.T) {
	t.Parallel()
	k := broker(t)
	s, a := openKafka(t, k), adminOf(t, k)
	s.put(t, doc("flows/a", "", `{}`))
	a.delete(t)
	for deadline := time.Now().Add(time.Minute); ; <-time.After(50 * time.Millisecond) { // the broker's answer comes first
		if _, _, err := s.log.Bounds(t.Context()); err != nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the topic is not deleted")
		}
	}
	if err := propose(t, s, doc("flows/b", "", `{}`)); err == nil {
		t.Error("a change of a topic that is gone was answered")
	}
	recheckUntil(t, s, "gone", func(status Status) bool {
		return strings.Contains(status.ReadOnly, "is gone") && status.Cause == CauseMissing
	})
	anew := openKafka(t, k)
	anew.put(t, doc("flows/other", "", `{}`))
	anew.put(t, doc("flows/other2", "", `{}`))
	status := await(t, s, "stopped", func(s Status) bool { return s.Stopped })
	s.recheck(t.Context())
	if again := s.Status(); !again.Stopped || again.ReadOnly != status.ReadOnly {
		t.Errorf("%+v, then %+v", status, again)
	}
	if snapshot, fresh := s.Read(t.Context()); fresh.Fresh || listed(snapshot, "") != "flows/a={}" {
		t.Errorf("%+v %s", fresh, status.ReadOnly)
	}
	o := options(t)
	o.StoreID = status.Store // as a new process knows it from elsewhere
	known, err := OpenKafka(t.Context(), k, o)
	if err != nil {
		t.Fatal(err)
	}
	defer closed(t, known)
	if status := known.Status(); !status.Partial || !strings.Contains(status.ReadOnly, "made anew") {
		t.Errorf("%+v", status)
	}
}

func TestContractAnOlderReplicaStopsAtANewerEntry(t *testing.T) {
	k := broker(t)
	s, a := openKafka(t, k), adminOf(t, k)
	tag := s.put(t, doc("flows/a", "", `{}`))
	a.write(t, "x", "what nobody knows")
	tag = s.put(t, doc("flows/a", tag, `{"n":1}`))
	a.write(t, "y", `{"v":2,"id":"y","of":"a newer version"}`)
	status := await(t, s, "stopped", func(s Status) bool { return s.Stopped })
	if !strings.Contains(status.ReadOnly, "format 2") || status.Cause != CauseLog || status.Records[Foreign] != 1 || status.Oddities[0].Why == "" {
		t.Errorf("%+v", status)
	}
	if snapshot, _ := s.Read(t.Context()); snapshot.Etag("flows/a") != tag {
		t.Error("memory is not what it was")
	}
}

func TestContractAReplicaBeginsWithACheckpointWhereTheLogBeginsLater(t *testing.T) {
	k := broker(t)
	s, idle := openKafka(t, k), openKafka(t, k)
	tag := ""
	for n := range 3 {
		for range 20 {
			tag = s.put(t, doc("flows/a", tag, `{"n":1}`))
		}
		if err := s.checkpoint(t.Context()); err != nil {
			t.Fatal(err)
		}
		first, _, err := s.log.Bounds(t.Context())
		if err != nil || (first > 0) != (n > 0) {
			t.Fatal(n, first, err)
		}
	}
	for _, other := range []*Store{idle, openKafka(t, k)} {
		if snapshot, fresh := other.Read(t.Context()); !fresh.Fresh || snapshot.Etag("flows/a") != tag {
			t.Errorf("%+v %+v", fresh, other.Status())
		}
		tag = other.put(t, doc("flows/a", tag, `{"n":2}`))
	}
	if r, err := s.Check(t.Context()); err != nil || len(r.Problems) > 0 || len(r.Checkpoints) < 1 {
		t.Errorf("%+v %v", r, err)
	}
}
