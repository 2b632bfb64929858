package config

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"kinesis-destination/consumer"
	"kinesis-destination/transform"
)

func made(name string) Config {
	var c Config
	c.Name = name
	c.Source.Kafka.Brokers, c.Source.Kafka.Topic = []string{"a:9092"}, "events"
	c.Target.Kinesis.Stream = "leads"
	c.Target.Kinesis.Credentials.SecretAccessKey = Secret("one", "")
	c.Default()
	return c
}

// What a flow is drained for, and what is swapped while it runs.
func TestOtherThanRulesNamesWhatAFlowIsDrainedFor(t *testing.T) {
	for key, change := range map[string]func(c *Config){
		"target.kinesis.stream":                      func(c *Config) { c.Target.Kinesis.Stream = "more" },
		"target.kinesis.credentials.secretAccessKey": func(c *Config) { c.Target.Kinesis.Credentials.SecretAccessKey = Secret("two", "") },
		"target.kinesis.partitionKey":                func(c *Config) { c.Target.Kinesis.PartitionKey = "profileId" },
		"deadLetter.topic":                           func(c *Config) { c.DeadLetter.Topic = "letters" },
		"source.kafka.group":                         func(c *Config) { c.Source.Kafka.Group = "another" },
		"": func(c *Config) {
			c.Description = "other words"
			c.Activation.Attributes = []string{"person.email"}
			c.Governance.Custom = &transform.Catalog{}
			c.Source.Kept, c.NewestKept, c.Source.Kafka.Budget = 7, 7, consumer.NewBudget(1, 1)
			c.Target.Kinesis.Credentials.SecretAccessKey = Secret("one", "") // the same, opened once more
		},
	} {
		old, now := made("flow"), made("flow")
		change(&now)
		var want []string
		if key != "" {
			want = []string{key}
		}
		if got := OtherThanRules(&old, &now); !slices.Equal(got, want) {
			t.Errorf("%v, wanted %v", got, want)
		}
	}
}

func TestAFlowIsJudgedBesideThoseThatRun(t *testing.T) {
	one := made("one")
	for said, change := range map[string]func(c *Config){
		"":                       func(*Config) {},
		"share this group":       func(c *Config) { c.Source.Kafka.Group = "one" },
		"is that of destination": func(c *Config) { c.DeadLetter.Topic = one.DeadLetter.Topic },
		"go round without end": func(c *Config) {
			c.Source.Kafka.Topic, c.Source.Kafka.TopicPattern = "", `.*\.dlt`
			c.DeadLetter.Topic = "events"
		},
	} {
		c := made("two")
		change(&c)
		if err := Beside([]Config{one}, &c); (err == nil) != (said == "") || err != nil && !strings.Contains(err.Error(), said) {
			t.Errorf("%q: %v", said, err)
		}
	}
	var many []Config
	for i := range 100 {
		many = append(many, made(fmt.Sprint("flow", i)))
	}
	if err := Beside(many, &one); err != nil {
		t.Error(err)
	}
}
