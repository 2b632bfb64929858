package consumer

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"regexp"
	"slices"
	"strconv"
	"time"

	"kinesis-destination/consumer/connect"

	"go.opentelemetry.io/otel/trace"
)

// Config is the block source.kafka of a destination.
type Config struct {
	Brokers            []string      `yaml:"brokers"`
	Topic              string        `yaml:"topic"`
	Topics             []string      `yaml:"topics"`
	TopicPattern       string        `yaml:"topicPattern"`
	Group              string        `yaml:"group"`
	GroupInstanceID    string        `yaml:"groupInstanceId"`
	Start              string        `yaml:"start"`
	OnOffsetOutOfRange string        `yaml:"onOffsetOutOfRange"`
	ClientRack         string        `yaml:"clientRack"`
	SessionTimeout     time.Duration `yaml:"sessionTimeout"`
	TLS                connect.TLS   `yaml:"tls"`
	SASL               connect.SASL  `yaml:"sasl"`

	// DeadLetterTopic is the destination's own; no pattern matches it.
	DeadLetterTopic string `yaml:"-"`
	// Budget is the process's, of everything that reads; nil: each has its own.
	Budget *Budget `yaml:"-"`
}

// The values of source.kafka.start and source.kafka.onOffsetOutOfRange.
const (
	Earliest = "earliest"
	Latest   = "latest"
	Hold     = "hold"
)

// Defaults fills in what was left out.
func (c *Config) Defaults() {
	if c.Start == "" {
		c.Start = Earliest
	}
	if c.OnOffsetOutOfRange == "" {
		c.OnOffsetOutOfRange = Hold
	}
	if c.SessionTimeout == 0 {
		c.SessionTimeout = DefaultSessionTimeout
	}
}

// MustBeBrokers is what is wrong with brokers that are no addresses.
const MustBeBrokers = "each must be host:port, the port from 1 to 65535"

// AreBrokers tells whether each of them has the form of an address to dial.
func AreBrokers(brokers []string) bool {
	return !slices.ContainsFunc(brokers, func(b string) bool {
		host, port, err := net.SplitHostPort(b)
		n, bad := strconv.ParseUint(port, 10, 16)
		return err != nil || bad != nil || host == "" || n == 0
	})
}

// Validate reports every mistake with its path below source.kafka.
func (c *Config) Validate(report func(path, message string)) {
	if len(c.Brokers) == 0 {
		report("brokers", "is required: a list of host:port")
	}
	if !AreBrokers(c.Brokers) {
		report("brokers", MustBeBrokers)
	}
	c.validateTopics(report)
	if c.Group == "" {
		report("group", "must not be empty; leave it out to use the destination's name")
	}
	if !slices.Contains([]string{Earliest, Latest}, c.Start) {
		report("start", "must be earliest or latest")
	}
	if !slices.Contains([]string{Hold, Earliest, Latest}, c.OnOffsetOutOfRange) {
		report("onOffsetOutOfRange", "must be hold, earliest or latest")
	}
	if c.SessionTimeout < minSessionTimeout || c.SessionTimeout > maxSessionTimeout {
		report("sessionTimeout", "must be from 6s to 30m, which are Kafka's own bounds (group.min.session.timeout.ms and group.max.session.timeout.ms of the brokers)")
	}
	c.TLS.Validate(func(path, message string) { report("tls."+path, message) })
	c.SASL.Validate(func(path, message string) { report("sasl."+path, message) })
	c.validateIAM(report)
}

// Warnings are what is allowed below source.kafka, but may surprise.
func (c *Config) Warnings() []string {
	secret := map[string]string{connect.Plain: "the password", connect.OAuthBearer: "the token"}[c.SASL.Mechanism]
	if secret == "" || c.TLS.Enabled {
		return nil
	}
	return []string{fmt.Sprintf("source.kafka.sasl.mechanism: %s without source.kafka.tls.enabled: %s travels in the clear, for everyone on the way to read", c.SASL.Mechanism, secret)}
}

func (c *Config) validateTopics(report func(path, message string)) {
	given := 0
	for _, set := range []bool{c.Topic != "", len(c.Topics) > 0, c.TopicPattern != ""} {
		if set {
			given++
		}
	}
	switch {
	case given == 0:
		report("topic", "is required: topic, topics or topicPattern")
	case given > 1:
		report("topic", "give only one of topic, topics and topicPattern")
	case c.TopicPattern != "":
		if _, err := compilePattern(c.TopicPattern); err != nil {
			report("topicPattern", "must be a regular expression of topic names (RE2): "+err.Error())
		}
	}
	if c.Topic != "" && !topicName(c.Topic) {
		report("topic", mustBeTopic)
	}
	for i, name := range c.Topics {
		if !topicName(name) {
			report(fmt.Sprintf("topics[%d]", i), mustBeTopic)
		} else if slices.Contains(c.Topics[:i], name) {
			report("topics", "must be names, each given once")
			break
		}
	}
}

// topicCharacters is Kafka's own rule; "." and ".." are no names, either.
var topicCharacters = regexp.MustCompile(`^[a-zA-Z0-9._-]{1,249}$`)

const mustBeTopic = "must be 1 to 249 letters, digits, '.', '_' or '-'"

func topicName(name string) bool {
	return topicCharacters.MatchString(name) && name != "." && name != ".."
}

// Timing of the group protocol and of reading. The defaults are Kafka's own
// consumer defaults where it has them (session.timeout.ms, heartbeat.interval.ms,
// fetch.max.wait.ms, max.partition.fetch.bytes, fetch.max.bytes).
const (
	DefaultSessionTimeout    = 45 * time.Second
	DefaultHeartbeatInterval = 3 * time.Second
	DefaultRebalanceTimeout  = 60 * time.Second
	DefaultCommitInterval    = time.Second
	DefaultDrainTimeout      = 5 * time.Second

	// What brokers take for a session where nobody changed it. A request to the stream
	// ends before the session could (sink.Options.Lease): in the shortest one it has 4 s.
	minSessionTimeout = 6 * time.Second
	maxSessionTimeout = 30 * time.Minute
	// heartbeatsPerSession is at least how many must be missed for the session to end.
	heartbeatsPerSession = 6

	requestTimeout = 10 * time.Second
	fetchMaxWait   = 500 * time.Millisecond
	// fetchBrings is how long a fetch may take that brings something: some fifty times
	// what a broker takes for an answer.
	fetchBrings       = 50 * time.Millisecond
	partitionMaxBytes = 1 << 20
	// partitionLeastBytes is what a fetch asks for of each partition however many there are,
	// and batchesEach how many of its batches at least: a broker may cut the last one off, and
	// what is left of it was fetched for nothing.
	partitionLeastBytes = 64 << 10
	batchesEach         = 2
	// oneBatch asks for a partition's next batch alone: a broker gives the first one whole,
	// however large (KIP-74).
	oneBatch      = 1
	fetchMaxBytes = 16 << 20
	// fetchLeastBytes is what a fetch may bring however many others are under way.
	fetchLeastBytes = 128 << 10
	// fetchWorth is what each should find room for: of smaller ones there are many.
	fetchWorth = 4 * fetchLeastBytes
	// defaultBudget bounds the bytes fetched and not yet at rest, over all partitions,
	// where the process is not told what it may take.
	defaultBudget = 64 << 20
	// maxOpen bounds how far one unsettled message may be overtaken in its
	// partition. A bitmap of as many offsets fits a commit's metadata in any case.
	maxOpen = 1 << 14
)

// Options are what a consumer is given beside its configuration.
type Options struct {
	// Dial opens connections; nil: TCP.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Logger must not be nil.
	Logger *slog.Logger
	// OnRevoke is called when claims have ended, so that records handed on and
	// not yet sent are given back (see Message.Withdraw).
	OnRevoke func()
	// Hold is called once per change of a cause that keeps messages from
	// arriving: topic and partition say what is held (an empty topic: everything;
	// partition -1: a topic of several that is not there),
	// an empty reason that the cause is gone.
	Hold func(topic string, partition int, reason string, err error)

	SessionTimeout, HeartbeatInterval, RebalanceTimeout time.Duration
	CommitInterval, DrainTimeout                        time.Duration
	// Tracer gets a span for each batch that a fetch brought; nil: none.
	Tracer trace.Tracer
	// Budget in bytes that are fetched and not yet at rest, where the configuration
	// names none; 0: the default.
	Budget int64
}

func (o *Options) defaults(session time.Duration) {
	if o.SessionTimeout == 0 {
		o.SessionTimeout = session
	}
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{
		{&o.SessionTimeout, DefaultSessionTimeout},
		{&o.HeartbeatInterval, DefaultHeartbeatInterval},
		{&o.RebalanceTimeout, DefaultRebalanceTimeout},
		{&o.CommitInterval, DefaultCommitInterval},
		{&o.DrainTimeout, DefaultDrainTimeout},
	} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	o.HeartbeatInterval = min(o.HeartbeatInterval, o.SessionTimeout/heartbeatsPerSession)
	if o.Budget == 0 {
		o.Budget = defaultBudget
	}
	if o.OnRevoke == nil {
		o.OnRevoke = func() {}
	}
	if o.Hold == nil {
		o.Hold = func(string, int, string, error) {}
	}
}

// validateIAM reports what stands in the way of AWS MSK IAM.
func (c *Config) validateIAM(report func(path, message string)) {
	if c.SASL.Mechanism != connect.AWSMSKIAM {
		return
	}
	if !c.TLS.Enabled {
		report("tls.enabled", "must be true with aws-msk-iam: MSK takes it on TLS listeners only")
	}
	if connect.MskRegion(c.Brokers) == "" && os.Getenv("AWS_REGION") == "" && os.Getenv("AWS_PROFILE") == "" {
		report("sasl.mechanism", "aws-msk-iam needs the cluster's region, which the brokers' names do not tell: set the environment variable AWS_REGION")
	}
}
