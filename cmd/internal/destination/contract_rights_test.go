package destination

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"kinesis-destination/cmd/internal/config"
	"kinesis-destination/cmd/internal/verify"
	"kinesis-destination/consumer"
	"kinesis-destination/sink"
)

// limited is a destination whose user is given one right after the other.
type limited struct {
	*site
	*process
}

func startLimited(t *testing.T) *limited {
	t.Helper()
	if certificates := os.Getenv("KAFKA_CERTIFICATES"); certificates != "" {
		s := newSite(t, nil)
		s.behind(listener{"limited", os.Getenv("KAFKA_SASL_BROKERS"), limitedKeys}, "")
		return &limited{site: s}
	}
	certificates, options, dial := embeddedSecurity(t)
	s := newSiteOn(t, nil, options, dial)
	s.behind(listener{"limited", s.brokers[0], mutualKeys + ", " + limitedKeys}, secrets(t, certificates))
	return &limited{site: s}
}

func (l *limited) grant(kind kafka.ResourceType, name string, right kafka.ACLOperationType) {
	l.t.Helper()
	res, err := l.kafka.CreateACLs(context.Background(), &kafka.CreateACLsRequest{ACLs: []kafka.ACLEntry{{
		ResourceType: kind, ResourceName: name, ResourcePatternType: kafka.PatternTypeLiteral,
		Principal: "User:limited", Host: "*", Operation: right, PermissionType: kafka.ACLPermissionTypeAllow,
	}}})
	if err != nil || res.Errors[0] != nil {
		l.t.Fatal("grant a right:", err, res)
	}
}

// held waits until a hold says this.
func (l *limited) held(reason, says string) {
	l.t.Helper()
	l.await(30*time.Second, "held for "+says, func() bool {
		for _, h := range l.Holds() {
			if h.Reason == reason && strings.Contains(h.Cause, says) {
				return true
			}
		}
		return false
	})
	if ready, why := l.Ready(); ready {
		l.t.Errorf("ready, while held for %s (%q)", says, why)
	}
}

// lacks tells what validate --live says that the user lacks.
func (l *limited) lacks() string {
	l.t.Helper()
	return l.lacksBy(l.configText())
}

func (l *limited) lacksBy(text string) string {
	l.t.Helper()
	config, err := config.Parse("site.yaml", []byte(text))
	if err != nil {
		l.t.Fatal(err)
	}
	checks, _, err := verify.Live(context.Background(), &config)
	if err != nil {
		l.t.Fatal(err)
	}
	said := ""
	for _, c := range checks {
		if !c.OK {
			said += c.What + ": " + c.Note + "\n"
		}
	}
	return said
}

func TestContractAMissingRightIsNamedUntilItIsGranted(t *testing.T) {
	t.Parallel()
	l := startLimited(t)
	g, o := newLeads(t, 32, 50), newOracle()
	l.feed(g, o, 200)
	l.produce(kafka.Message{Key: []byte("poison"), Value: []byte("no Avro")})
	for _, want := range []string{"READ on topic " + l.topic, "WRITE on topic " + l.letterTopic(), "READ on group " + l.name} {
		if said := l.lacks(); !strings.Contains(said, want) {
			t.Errorf("validate --live does not say %q:\n%s", want, said)
		}
	}
	l.process = l.start()
	l.held(consumer.ReasonAccessDenied, "the user lacks the right DESCRIBE (which READ includes) on topic "+l.topic)
	l.grant(kafka.ResourceTypeTopic, l.topic, kafka.ACLOperationTypeDescribe)
	l.held(consumer.ReasonAccessDenied, "the user lacks the right READ on group "+l.name)
	l.grant(kafka.ResourceTypeGroup, l.name, kafka.ACLOperationTypeRead)
	l.held(consumer.ReasonAccessDenied, "the user lacks the right READ on topic "+l.topic)
	pattern := strings.Replace(l.configText(), "topic: "+l.topic, "topicPattern: '"+l.topic+"'", 1)
	if said := l.lacksBy(pattern); !strings.Contains(said, "READ on topic "+l.topic) {
		t.Errorf("validate --live says of a topic that a pattern matches:\n%s", said)
	}
	l.grant(kafka.ResourceTypeTopic, l.topic, kafka.ACLOperationTypeRead)
	l.held(sink.HoldDeadLetterTopic, "the user lacks the right DESCRIBE on topic "+l.letterTopic())
	l.grant(kafka.ResourceTypeTopic, l.letterTopic(), kafka.ACLOperationTypeDescribe)
	l.held(sink.HoldDeadLetterTopic, "the user lacks the right CREATE on topic "+l.letterTopic())
	if said := l.lacks(); !strings.Contains(said, "the user lacks the right CREATE on topic "+l.letterTopic()) {
		t.Errorf("validate --live says:\n%s", said)
	}
	l.grant(kafka.ResourceTypeTopic, l.letterTopic(), kafka.ACLOperationTypeCreate)
	l.held(sink.HoldDeadLetterTopic, "the user lacks the right WRITE on topic "+l.letterTopic())
	if said := l.lacks(); !strings.Contains(said, "lacks WRITE on topic "+l.letterTopic()+"\n") {
		t.Errorf("validate --live says:\n%s", said)
	}
	l.grant(kafka.ResourceTypeTopic, l.letterTopic(), kafka.ACLOperationTypeWrite)
	l.await(60*time.Second, "all events at rest", func() bool { return atRest(l.process) >= o.total+1 })
	l.await(30*time.Second, "nothing is held", func() bool { ready, _ := l.Ready(); return ready })
	if said := l.lacks(); said != "" {
		t.Errorf("validate --live still says:\n%s", said)
	}
	l.stop(t)
	if v := o.judge(l.final()); v != (verdict{}) {
		t.Errorf("%+v", v)
	}
	if !l.committed() {
		t.Error("after a clean end, not every offset is committed")
	}
}
