package deadletters

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"kinesis-destination/cmd/internal/config"
	"kinesis-destination/cmd/internal/letter"
	"kinesis-destination/cmd/internal/rules"
	"kinesis-destination/consumer"
	"kinesis-destination/schemas"
	"kinesis-destination/transform"
)

// Shown is one letter with what it holds.
type Shown struct {
	letter.Letter
	Settled bool              `json:"settled"` // redriven or dropped
	Key     string            `json:"key"`
	Headers []consumer.Header `json:"-"` // the source message's own
	Bytes   int               `json:"bytes"`
	Event   json.RawMessage   `json:"event"`          // Avro JSON; null where it cannot be decoded
	Schema  string            `json:"schema"`         // that it was written with
	Left    string            `json:"left,omitempty"` // why a redrive leaves it: what was omitted is gone
	Today   rules.Explanation `json:"today"`          // what today's rules make of it
}

// ErrNoLetter says that there is no letter of the destination at an offset.
var ErrNoLetter = errors.New("no dead letter of this destination")

// Show shows the letter at an offset of the dead-letter topic. Values of
// the profile and of headers are masked unless reveal.
func Show(ctx context.Context, config *config.Config, partition int, offset int64, reveal bool) (*Shown, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*rules.CheckTimeout)
	defer cancel()
	m, err := consumer.Peek(ctx, config.Source.Kafka, nil, config.DeadLetter.Topic, partition, offset)
	if err != nil {
		return nil, fmt.Errorf("read topic %s, partition %d: %w", config.DeadLetter.Topic, partition, err)
	}
	letter, foreign := letter.ReadOwn(m, config)
	if letter == nil {
		return nil, fmt.Errorf("offset %d of partition %d: %w: %s", offset, partition, ErrNoLetter, foreign)
	}
	b, err := Open(ctx, config, "")
	if err != nil {
		return nil, err
	}
	defer b.Close()
	settled := !b.ledger.Note(m, false)
	if err := b.makeWhole(ctx, letter); err != nil {
		return nil, err
	}
	m = letter.Source
	shown := &Shown{
		Letter: *letter, Settled: settled, Key: string(m.Key), Headers: slices.Clone(letter.SourceHeaders), Bytes: len(m.Value), Left: letter.Left,
	}
	if !reveal {
		for i := range shown.Headers {
			shown.Headers[i].Value = []byte(mask)
		}
		if m.Key != nil {
			shown.Key = mask
		}
	}
	if shown.Left != "" {
		shown.Today = rules.Undecoded(transform.Decision{}, withoutValue)
		return shown, nil
	}
	if shown.Today, err = b.Rules().ExplainMessage(ctx, b.Decoder, m, letter.From()); err != nil {
		return nil, err
	}
	event, err := b.Decoder.Decode(ctx, m.Value, rules.Header(m, schemas.HeaderSchemaID))
	if m.Value == nil || err != nil { // explainMessage has told registry and message apart
		return shown, nil
	}
	shown.Schema = event.Schema.Origin
	if text, err := event.Schema.DecodeJSON(event.Body); err == nil {
		if !reveal {
			text = masked(text, event.Schema)
		}
		shown.Event = text
	}
	return shown, nil
}

// withoutValue is what is said of a letter that cannot be made whole.
const withoutValue = "the letter is without its value, which the source topic no longer has"

// profileID is the event's own profile id; empty where it has none that can be read.
func profileID(event schemas.Event) string {
	if event.Schema == nil {
		return ""
	}
	text, err := event.Schema.DecodeJSON(event.Body)
	if err != nil {
		return ""
	}
	var e struct {
		ProfileID json.RawMessage `json:"profileId"`
	}
	if json.Unmarshal(text, &e) != nil {
		return ""
	}
	var id string
	var union map[string]string // where the schema lets it be null
	if json.Unmarshal(e.ProfileID, &id) != nil && json.Unmarshal(e.ProfileID, &union) == nil {
		id = union["string"]
	}
	return id
}
