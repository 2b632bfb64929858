package destination

import (
	"context"
	"fmt"

	"kinesis-destination/schemas"
	"kinesis-destination/transform"
)

// Explain tells what run would make of one event, given in Avro JSON. The schema
// is that of schemaFile if given, else the destination's own: its schema file,
// or the newest version of its topic's subject.
func Explain(ctx context.Context, config *Config, schemaFile string, text []byte) (transform.Explanation, error) {
	schema, err := explainSchema(ctx, config, schemaFile)
	if err != nil {
		return transform.Explanation{}, err
	}
	body, err := schema.EncodeJSON(text)
	if err != nil {
		return transform.Explanation{}, fmt.Errorf("read the event: %w", err)
	}
	rules, err := transform.NewRules(config.rules())
	if err != nil {
		return transform.Explanation{}, err
	}
	plan, err := transform.Compile(rules, schema)
	if err != nil {
		return transform.Explanation{}, err
	}
	source := transform.Source{Topic: config.Source.Kafka.TopicNames()[0]}
	return plan.Explain(schemas.Event{Schema: schema, Body: body}, source), nil
}

func explainSchema(ctx context.Context, config *Config, file string) (*schemas.Schema, error) {
	if file == "" {
		file = config.Source.SchemaFile
	}
	if file != "" {
		return schemas.ReadFile(file)
	}
	decoder, err := schemas.NewDecoder(config.Source.Config, nil)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, startLookup)
	defer cancel()
	schema, err := decoder.Registry().Latest(ctx, config.Source.Kafka.TopicNames()[0]+"-value")
	if err != nil {
		return nil, fmt.Errorf("the event's schema could not be looked up (give one with --schema): %w", err)
	}
	return schema, nil
}
