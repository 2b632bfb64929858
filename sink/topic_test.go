package sink

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"kinesis-destination/sink/deadletter"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestASourceTopicThatIsMissingDoesNotKeepTheDeadLetterTopicFromBeingMade(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOptions{options: func(o *Options) { o.SourceTopics = []string{"later", testTopic} }})
		tr := w.oracle.record("", 0, nil)
		if err := w.sink.Reject(t.Context(), tr.rec, deadletter.Failure{Stage: "decode", Reason: "malformed"}); err != nil {
			t.Fatal(err)
		}
		w.oracle.await()
		w.lettersInOrder(1)
		if got := w.reported(); len(got) > 0 {
			t.Errorf("holds reported: %q", got)
		}
	})
}

func TestALeaderThatIsBeingChosenIsAHoldOnlyWhenThatLasts(t *testing.T) {
	for _, c := range []struct {
		code  *kerr.Error
		lasts time.Duration
		want  []string
	}{
		{kerr.NotLeaderForPartition, 2 * time.Second, nil},
		{kerr.LeaderNotAvailable, 2 * time.Second, nil},
		{kerr.UnknownTopicOrPartition, 2 * time.Second, nil},
		{kerr.NotLeaderForPartition, time.Minute, []string{HoldDeadLetterTopic, ""}},
		{kerr.NotEnoughReplicas, 2 * time.Second, []string{HoldDeadLetterTopic, ""}},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, worldOptions{})
			until := time.Now().Add(c.lasts)
			w.kafka.ControlKey(int16(kmsg.Produce), func(r kmsg.Request) (kmsg.Response, error, bool) {
				w.kafka.KeepControl()
				if time.Now().After(until) {
					return nil, nil, false
				}
				return refuseProduce(r, c.code), nil, true
			})
			tr := w.oracle.record("", 0, nil)
			if err := w.sink.Reject(t.Context(), tr.rec, deadletter.Failure{Stage: "decode", Reason: "malformed"}); err != nil {
				t.Fatal(err)
			}
			w.oracle.await()
			synctest.Wait()
			w.lettersInOrder(1)
			if got := w.reported(); !slices.Equal(got, c.want) {
				t.Errorf("%v for %v: holds reported: %q, want %q", c.code, c.lasts, got, c.want)
			}
		})
	}
}

// Hosted clusters refuse a topic that asks for a larger max.message.bytes than
// they allow, some for any.
func TestTheDeadLetterTopicIsMadeWithTheLimitThatTheClusterAllows(t *testing.T) {
	for _, c := range []struct {
		name string
		code *kerr.Error
		most int // that may be asked for; 0: nothing
		want string
	}{
		{"a policy below the source's limit and room", kerr.PolicyViolation, 5_000_000, "5000000"},
		{"a policy that lets nothing be set", kerr.PolicyViolation, 0, "1048588"},
		{"an invalid configuration", kerr.InvalidConfig, 0, "1048588"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, worldOptions{})
				w.limitTopic(testTopic, "5000000")
				w.kafka.ControlKey(int16(kmsg.CreateTopics), func(r kmsg.Request) (kmsg.Response, error, bool) {
					w.kafka.KeepControl()
					asked := r.(*kmsg.CreateTopicsRequest).Topics[0]
					for _, config := range asked.Configs {
						if config.Value != nil && (c.most == 0 || *config.Value != fmt.Sprint(c.most)) {
							answer := r.ResponseKind().(*kmsg.CreateTopicsResponse)
							refused := kmsg.NewCreateTopicsResponseTopic()
							refused.Topic, refused.ErrorCode = asked.Topic, c.code.Code
							answer.Topics = append(answer.Topics, refused)
							return answer, nil, true
						}
					}
					return nil, nil, false
				})
				w.reject(nil)
				w.reject(func(o *deadletter.Origin) { o.Value = noise(3 << 20) })
				w.oracle.await()
				if got := w.topicLimit(testDLT); got != c.want {
					t.Errorf("max.message.bytes %s, want %s", got, c.want)
				}
				if got := w.reported(); len(got) > 0 {
					t.Errorf("holds reported: %q", got)
				}
				if got := len(w.letters()); got != 2 {
					t.Errorf("%d letters", got)
				}
			})
		})
	}
}

func (w *world) limitTopic(topic, bytes string) {
	w.t.Helper()
	if _, err := w.kafkaClient().IncrementalAlterConfigs(w.t.Context(), &kafka.IncrementalAlterConfigsRequest{Resources: []kafka.IncrementalAlterConfigsRequestResource{{
		ResourceType: kafka.ResourceTypeTopic, ResourceName: topic,
		Configs: []kafka.IncrementalAlterConfigsRequestConfig{{Name: maxMessageBytes, Value: bytes, ConfigOperation: kafka.ConfigOperationSet}},
	}}}); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) topicLimit(topic string) string {
	w.t.Helper()
	res, err := w.kafkaClient().DescribeConfigs(w.t.Context(), &kafka.DescribeConfigsRequest{Resources: []kafka.DescribeConfigRequestResource{{
		ResourceType: kafka.ResourceTypeTopic, ResourceName: topic, ConfigNames: []string{maxMessageBytes},
	}}})
	if err != nil {
		w.t.Fatal(err)
	}
	return res.Resources[0].ConfigEntries[0].ConfigValue
}
