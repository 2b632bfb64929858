package sample

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/segmentio/kafka-go"
	"golang.org/x/time/rate"

	"kinesis-destination/cmd/internal/config"
	"kinesis-destination/cmd/internal/rules"
	"kinesis-destination/consumer"
	"kinesis-destination/schemas"
)

const (
	// headerSample marks what was made up, so that it can be told from events.
	headerSample = "x-sample"
	// lookBack is how many of the newest offsets are looked at for what is there:
	// markers of transactions, and what was cleaned, hold no message.
	lookBack = 100
	// startTimeout bounds what is asked and made before the first event.
	startTimeout = 30 * time.Second
	// batchSize bounds how many events are written together.
	batchSize = 500
)

// Options are what produce-sample is told.
type Options struct {
	Topic      string  // empty: the destination's, or the first of them
	Count      int     // 0: until it is interrupted
	Rate       float64 // events a second; 0: as fast as it goes
	Profiles   int
	Seed       uint64
	Partitions int    // of a topic that has to be made
	Register   string // a schema file to register for the topic; empty: what is registered
	Append     bool   // also to a topic that has others' messages
	// Note hears what is done beside the events.
	Note func(string)
}

// ErrOthers is that the topic has messages that were not made up here.
var ErrOthers = errors.New("the topic has messages of others")

// ErrUnfit is that no event of a schema could leave.
var ErrUnfit = errors.New("no event of the schema could be exported")

// Produce writes events that are made up by the destination's schema to its
// topic, and tells how many were acknowledged.
func Produce(ctx context.Context, cfg *config.Config, o Options) (int, error) {
	p, err := newProducer(cfg, o)
	if err != nil {
		return 0, err
	}
	defer p.close()
	begin, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	schema, err := p.schema(begin)
	if err != nil {
		return 0, err
	}
	if err := p.prepare(begin); err != nil {
		return 0, err
	}
	return p.produce(ctx, New(cfg, schema, o.Seed, o.Profiles, time.Now), schema.ID)
}

type producer struct {
	cfg       *config.Config // reads the one topic
	options   Options
	transport *kafka.Transport
	history   *consumer.History
}

func newProducer(cfg *config.Config, o Options) (*producer, error) {
	names := cfg.Source.Kafka.TopicNames()
	if o.Topic == "" && len(names) == 0 {
		return nil, errors.New("source.kafka.topicPattern names no one topic: give one with --topic")
	}
	own := *cfg
	own.Source.Kafka.Topic, own.Source.Kafka.Topics, own.Source.Kafka.TopicPattern = o.Topic, nil, ""
	if o.Topic == "" {
		own.Source.Kafka.Topic = names[0]
	}
	p := &producer{cfg: &own, options: o}
	var err error
	if p.transport, err = own.Source.Kafka.Transport(nil); err != nil {
		return nil, err
	}
	p.history, err = consumer.NewHistory(own.Source.Kafka, nil)
	return p, err
}

func (p *producer) close() {
	p.transport.CloseIdleConnections()
	p.history.Close()
}

// schema is what the events are written by.
func (p *producer) schema(ctx context.Context) (*schemas.Schema, error) {
	decoder, err := schemas.NewDecoder(p.cfg.Source.Config, nil)
	if err != nil {
		return nil, err
	}
	subject := p.cfg.Source.Kafka.Topic + "-value"
	switch {
	case p.options.Register != "" && decoder.Registry() == nil:
		return nil, errors.New("--register goes with source.schemaRegistry: messages of source.schemaFile name no schema")
	case p.options.Register != "":
		text, err := p.registrable()
		if err != nil {
			return nil, fmt.Errorf("--register: %w; nothing was registered", err)
		}
		schema, err := decoder.Registry().Register(ctx, subject, text)
		if err != nil {
			return nil, err
		}
		p.options.Note(fmt.Sprintf("schema id %d is registered for subject %s", schema.ID, subject))
		return schema, nil
	}
	found, err := rules.LabelSchemas(ctx, p.cfg, decoder, nil)
	if errors.Is(err, schemas.ErrUnknownSchema) {
		return nil, fmt.Errorf("%w: register one with --register FILE.avsc", err)
	}
	if err != nil {
		return nil, err
	}
	return found[0], p.fit(found[0])
}

// registrable is the text of a schema whose events can leave: one that was registered by
// mistake stays, and each event of it is a dead letter.
func (p *producer) registrable() ([]byte, error) {
	schema, err := schemas.ReadFile(p.options.Register)
	if errors.Is(err, schemas.ErrInvalidSchema) {
		return nil, fmt.Errorf("%w: %w", ErrUnfit, err)
	}
	if err != nil {
		return nil, err
	}
	if err := p.fit(schema); err != nil {
		return nil, err
	}
	return schemas.ReadText(p.options.Register)
}

// fit refuses a schema that none of the destination's events can be of.
func (p *producer) fit(schema *schemas.Schema) error {
	inForce, err := rules.New(p.cfg, 1)
	if err != nil {
		return err
	}
	if err := inForce.Rules.CheckParts(schema); err != nil {
		return fmt.Errorf("%w: %w", ErrUnfit, err)
	}
	return nil
}

// prepare makes the topic where there is none, and refuses one of others.
func (p *producer) prepare(ctx context.Context) error {
	topic := p.cfg.Source.Kafka.Topic
	client := &kafka.Client{Addr: p.cfg.Source.Kafka.Addr(), Transport: p.transport}
	// Without a controller to ask, making a topic fails with words that do not say so.
	if _, err := client.Metadata(ctx, &kafka.MetadataRequest{Topics: []string{topic}}); err != nil {
		return fmt.Errorf("look up topic %s: %w", topic, err)
	}
	answer, err := client.CreateTopics(ctx, &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{
		{Topic: topic, NumPartitions: p.options.Partitions, ReplicationFactor: -1}, // -1: as the cluster is configured
	}})
	if err != nil {
		return fmt.Errorf("make topic %s: %w", topic, err)
	}
	switch err := answer.Errors[topic]; {
	case err == nil:
		p.options.Note(fmt.Sprintf("topic %s is made, with %d partitions", topic, p.options.Partitions))
		return nil
	case errors.Is(err, kafka.TopicAlreadyExists), errors.Is(err, kafka.TopicAuthorizationFailed), errors.Is(err, kafka.ClusterAuthorizationFailed):
	default:
		return fmt.Errorf("make topic %s: %w", topic, err)
	}
	if p.options.Append {
		return nil
	}
	ranges, err := p.history.Ranges(ctx, consumer.Beginning(), consumer.End())
	if err != nil {
		return fmt.Errorf("look at topic %s: %w", topic, err)
	}
	for _, r := range ranges {
		ours, err := p.ours(ctx, r)
		if err != nil {
			return fmt.Errorf("look at topic %s: %w", topic, err)
		}
		if !ours {
			return fmt.Errorf("%w: %s, partition %d; made-up events beside real ones leave for the stream as well: --append writes them nevertheless", ErrOthers, topic, r.Partition)
		}
	}
	return nil
}

// ours tells whether the newest message of a partition was made up here, or the
// partition has none.
func (p *producer) ours(ctx context.Context, r consumer.Range) (ours bool, err error) {
	if r.From == r.To {
		return true, nil
	}
	r.From = max(r.From, r.To-lookBack)
	err = p.history.Read(ctx, r, func(m *consumer.Message) error {
		ours = slices.ContainsFunc(m.Headers, func(h consumer.Header) bool { return h.Key == headerSample })
		return nil
	})
	return ours, err
}

func (p *producer) produce(ctx context.Context, g *Generator, schemaID int) (written int, err error) {
	w := &kafka.Writer{
		Addr: p.cfg.Source.Kafka.Addr(), Topic: p.cfg.Source.Kafka.Topic, Transport: p.transport,
		Balancer: kafka.Murmur2Balancer{}, RequiredAcks: kafka.RequireAll, BatchTimeout: time.Millisecond,
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	limit, size := rate.Inf, batchSize
	if o := p.options; o.Rate > 0 {
		limit, size = rate.Limit(o.Rate), max(1, min(batchSize, int(o.Rate/10)))
	}
	pace := rate.NewLimiter(limit, size)
	for p.options.Count == 0 || written < p.options.Count {
		n := size
		if p.options.Count > 0 {
			n = min(n, p.options.Count-written)
		}
		if pace.WaitN(ctx, n) != nil {
			return written, ctx.Err() // interrupted
		}
		messages := make([]kafka.Message, n)
		for i := range messages {
			event, err := g.Next()
			if err != nil {
				return written, err
			}
			messages[i] = kafka.Message{
				Key: []byte(event.Key), Value: event.Body, Headers: []kafka.Header{{Key: headerSample, Value: []byte("true")}},
			}
			if schemaID > 0 {
				messages[i].Value = append(schemas.AppendFrame(nil, schemaID), event.Body...)
			}
		}
		if err := w.WriteMessages(ctx, messages...); err != nil {
			if ctx.Err() != nil {
				return written, ctx.Err()
			}
			return written, fmt.Errorf("write to topic %s: %w", w.Topic, err)
		}
		written += n
	}
	return written, nil
}
