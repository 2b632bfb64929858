package sink

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestASourceTopicThatIsMissingDoesNotKeepTheDeadLetterTopicFromBeingMade(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOptions{options: func(o *Options) { o.SourceTopics = []string{"later", testTopic} }})
		tr := w.oracle.record("", 0, nil)
		if err := w.sink.Reject(t.Context(), tr.rec, Failure{Stage: "decode", Reason: "malformed"}); err != nil {
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
				answer := r.ResponseKind().(*kmsg.ProduceResponse)
				for _, asked := range r.(*kmsg.ProduceRequest).Topics {
					topic := kmsg.NewProduceResponseTopic()
					topic.Topic = asked.Topic
					for _, p := range asked.Partitions {
						refused := kmsg.NewProduceResponseTopicPartition()
						refused.Partition, refused.ErrorCode = p.Partition, c.code.Code
						topic.Partitions = append(topic.Partitions, refused)
					}
					answer.Topics = append(answer.Topics, topic)
				}
				return answer, nil, true
			})
			tr := w.oracle.record("", 0, nil)
			if err := w.sink.Reject(t.Context(), tr.rec, Failure{Stage: "decode", Reason: "malformed"}); err != nil {
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
