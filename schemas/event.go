// Package schemas turns the value of a Kafka message into an Event: the schema that it was written with, and its Avro
// bytes. It knows wire framing, schema registries and Avro; it knows nothing of segments, rules or destinations.
//
// Nothing is materialised here. A reader walks the bytes of an Event with a Cursor, guided by the Schema's tree of
// Types. The Cursor never reads past the bytes, and a hostile length or count is an error, never an allocation.
package schemas

import (
	_ "embed"
	"fmt"

	"kinesis-destination/schemas/credentials"
)

// Event is a view of one message: what wrote it and its Avro bytes. It is valid as long as the message's value is.
type Event struct {
	Schema *Schema
	Body   []byte
}

// Schema is a parsed writer schema. It is immutable and may be used by many goroutines at once.
type Schema struct {
	ID     int    // the registry's id; 0 for a schema from a file
	Text   string // as the registry or the file has it
	Origin string // where it came from, in words for a user: "schema id 7", "schemaFile events.avsc"
	Root   *Type

	size int // about how many bytes it takes in memory
}

// Size is about how many bytes the schema takes in memory.
func (s *Schema) Size() int { return s.size }

// SegmentEvaluation is the text of the contract's own event schema.
//
//go:embed segment-evaluation.avsc
var SegmentEvaluation []byte

// ReadText reads the text of a schema from an .avsc file, of at most 4 MiB.
func ReadText(path string) ([]byte, error) {
	text, err := credentials.ReadFile(path, maxSchemaText)
	if err != nil {
		return nil, fmt.Errorf("read schema file: %w", err)
	}
	return text, nil
}

// ReadFile parses the schema in an .avsc file.
func ReadFile(path string) (*Schema, error) {
	text, err := ReadText(path)
	if err != nil {
		return nil, err
	}
	s, err := Parse(text)
	if err != nil {
		return nil, fmt.Errorf("schema file %s: %w", path, err)
	}
	s.Origin = "schemaFile " + path
	return s, nil
}
