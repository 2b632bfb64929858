package deadletter

import (
	"regexp"
	"strings"
)

// Config is the block deadLetter of a destination.
type Config struct {
	// Topic is created if missing. The composition fills in the default.
	Topic string `yaml:"topic"`
	// Park sends an identity's later events after its dead one.
	Park bool `yaml:"park"`
	// OnExhausted says what becomes of a record that outlives
	// retry.maxElapsedTime: hold (also when empty) or dead-letter.
	OnExhausted string `yaml:"onExhausted"`

	// Largest is the largest message that readers of the topic keep whole; 0: 32 MiB.
	Largest int `yaml:"-"`
}

// What becomes of a record that outlives its retry.
const (
	OnExhaustedHold       = "hold"
	OnExhaustedDeadLetter = "dead-letter"
)

// topicName is Kafka's own rule.
var topicName = regexp.MustCompile(`^[a-zA-Z0-9._-]{1,249}$`)

// Validate reports every mistake with its path inside the destination. An empty
// topic is none: the composition fills it in.
func (c *Config) Validate(report func(path, message string)) {
	if c.Topic != "" && (!topicName.MatchString(c.Topic) || c.Topic == "." || c.Topic == "..") {
		report("deadLetter.topic", "must be 1 to 249 letters, digits, '.', '_' or '-'")
	} else if strings.HasPrefix(c.Topic, "__") {
		report("deadLetter.topic", "must not begin with __: those topics are Kafka's own")
	}
	switch c.OnExhausted {
	case "", OnExhaustedHold, OnExhaustedDeadLetter:
	default:
		report("deadLetter.onExhausted", "must be hold or dead-letter")
	}
}
