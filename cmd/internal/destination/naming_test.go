package destination

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/segmentio/kafka-go"

	"kinesis-destination/consumer"
	"kinesis-destination/schemas"
	"kinesis-destination/sink/embeddedkinesis"
	"kinesis-destination/transform"
)

// doublingEvent is a schema whose attributes are 2^40 values of no byte, and an event of it.
func doublingEvent() (schema string, body []byte) {
	person := `{"type":"record","name":"R0","fields":[{"name":"a","type":"null"}]}`
	for i := 1; i <= 40; i++ {
		person = fmt.Sprintf(`{"type":"record","name":"R%d","fields":[{"name":"a","type":%s},{"name":"b","type":"R%d"}]}`, i, person, i-1)
	}
	return `{"type":"record","name":"E","fields":[
{"name":"profileId","type":"string"},
{"name":"changed","type":{"type":"record","name":"C","fields":[{"name":"segments","type":{"type":"array","items":"string"}},{"name":"attributes","type":{"type":"array","items":"string"}}]}},
{"name":"attributes","type":{"type":"record","name":"A","fields":[{"name":"person","type":` + person + `}]}},
{"name":"segmentMembership","type":{"type":"map","values":{"type":"map","values":{"type":"record","name":"M","fields":[{"name":"status","type":"string"}]}}}},
{"name":"identityMap","type":{"type":"map","values":{"type":"array","items":{"type":"record","name":"I","fields":[{"name":"id","type":"string"}]}}}}]}`,
		[]byte("\x02p\x02\x06seg\x00\x00\x00\x00")
}

// TestEveryWayToNameASchemaEndsInARecord: by four bytes, by Apicurio's eight, in a header, or by an id that the registry
// only knows some moments later. An event of a hostile schema among them stops nothing.
func TestEveryWayToNameASchemaEndsInARecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t, 1, embeddedkinesis.Options{AccessKeyID: "test"})
		p := b.start(8080, "")
		g := newLeads(t, 1, 1)
		e, err := g.Next()
		for err == nil && e.Filtered != "" {
			e, err = g.Next()
		}
		if err != nil {
			t.Fatal(err)
		}
		hostile, bomb := doublingEvent()
		hostileID := b.registry.Register("hostile", hostile)
		inHeader := kafka.Message{
			Key: []byte(e.Key), Value: e.Body,
			Headers: []kafka.Header{{Key: schemas.HeaderSchemaID, Value: append([]byte{1}, b.registry.GUID(b.schemaID)...)}},
		}
		long := append([]byte{0, 0, 0, 0, 0}, schemas.AppendFrame(nil, b.schemaID)[1:]...)
		late := hostileID + 1
		b.produce(
			b.message(e),
			kafka.Message{Key: []byte(e.Key), Value: append(long, e.Body...)},
			inHeader,
			kafka.Message{Key: []byte("p"), Value: append(schemas.AppendFrame(nil, hostileID), bomb...)},
			kafka.Message{Key: []byte(e.Key), Value: append(schemas.AppendFrame(nil, late), e.Body...)},
		)
		b.settled(4, time.Minute, p)
		time.AfterFunc(2*time.Second, func() {
			if id := b.registry.Register("late", string(schemas.SegmentEvaluation)+" "); id != late {
				t.Errorf("the schema has id %d", id)
			}
		})
		b.settled(5, time.Minute, p)
		if a := p.Account(); a.Delivered != 4 || len(a.DeadLettered) != 0 {
			t.Errorf("%+v", a)
		}

		// explain, replay and verify read the header as run does.
		m := &consumer.Message{Topic: testTopic, Key: inHeader.Key, Value: inHeader.Value, Headers: []consumer.Header{{Key: schemas.HeaderSchemaID, Value: inHeader.Headers[0].Value}}}
		rules := p.pipeline.rules.Load()
		if said, err := rules.explainMessage(t.Context(), p.pipeline.decoder, m, sourceIn(m)); err != nil || said.Outcome != transform.Export.String() {
			t.Errorf("explain: %+v %v", said, err)
		}
		u := judging{decoder: p.pipeline.decoder, rules: func() *ruleset { return rules }}
		if j, err := u.judge(t.Context(), m, sourceIn(m)); err != nil || j.Outcome != transform.Export {
			t.Errorf("replay: %+v %v", j, err)
		}
		p.stop(t)
	})
}

// TestPlansAreForgottenWithTheirSchemas: whoever writes messages can name any number of schemas.
func TestPlansAreForgottenWithTheirSchemas(t *testing.T) {
	config, err := Parse("bubble.yaml", []byte(bubbleConfig))
	if err != nil {
		t.Fatal(err)
	}
	rules, err := newRuleset(&config, 1)
	if err != nil {
		t.Fatal(err)
	}
	first, bytes := (*transform.Plan)(nil), 0
	for range 1000 {
		schema, err := schemas.Parse(schemas.SegmentEvaluation)
		if err != nil {
			t.Fatal(err)
		}
		plan, err := rules.plan(schema)
		again, _ := rules.plan(schema)
		if err != nil || plan != again || plan == first {
			t.Fatalf("a plan is not kept, or that of another schema: %v", err)
		}
		first, bytes = plan, bytes+2*schema.Size()
	}
	if n := len(rules.plans.Entries()); bytes < keptPlans || n >= 1000 || n < 100 {
		t.Errorf("%d plans are kept, of %d bytes in all", n, bytes)
	}
	if n := len(rules.schemas()); n != shownSchemas {
		t.Errorf("/status lists %d schemas", n)
	}
}
