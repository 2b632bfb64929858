package schemas

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/http"
)

// HeaderSchemaID is the header that Confluent's newer clients name a value's schema in: the byte 1, then 16 bytes of GUID.
// Of several headers the last counts.
const HeaderSchemaID = "__value_schema_id"

// The Confluent wire format: a zero byte, four bytes of schema id, then Avro. Apicurio's own serializers write eight
// bytes of id unless they are told otherwise; no registry gives id 0, so four zero bytes are the first half of eight.
const (
	frameMagic      = 0x00
	frameLength     = 5
	longFrameLength = 9
	guidMagic       = 0x01
	// glueMagic begins AWS Glue's frames, which name a schema version by a UUID.
	glueMagic = 0x03
)

// Decoder finds out what a message was written with: by the schema id in its frame when there is a registry, else by
// the schema file. It may be used by many goroutines at once.
type Decoder struct {
	registry *Registry
	file     *Schema
}

// NewDecoder makes a decoder of what the configuration says. The client reaches the registry; nil is the default one.
// Nothing is asked of the registry before the first message.
func NewDecoder(cfg Config, client *http.Client) (*Decoder, error) {
	if cfg.Registry != nil {
		registry, err := NewRegistry(*cfg.Registry, client)
		if err != nil {
			return nil, err
		}
		if cfg.Kept > 0 {
			registry.known = NewCache[schemaKey, *Schema](cfg.Kept)
		}
		return &Decoder{registry: registry}, nil
	}
	if cfg.SchemaFile == "" {
		return nil, errors.New("neither a schema registry nor a schema file is configured")
	}
	file, err := ReadFile(cfg.SchemaFile)
	if err != nil {
		return nil, err
	}
	return &Decoder{file: file}, nil
}

// Registry is the registry that the decoder asks; nil when messages are raw Avro of a schema file.
func (d *Decoder) Registry() *Registry { return d.registry }

// Decode finds a message's schema and the Avro bytes, which it does not look into. header is that of HeaderSchemaID, if
// the message has one: then the value is Avro alone. An error that is ErrMalformed, ErrUnknownSchema or ErrInvalidSchema
// is about the message. Any other means that the registry cannot answer now: call again later, with the same message.
func (d *Decoder) Decode(ctx context.Context, value, header []byte) (Event, error) {
	if d.file != nil {
		return Event{Schema: d.file, Body: value}, nil
	}
	key, body, err := unframe(value, header)
	if err != nil {
		return Event{}, err
	}
	schema, err := d.registry.find(ctx, key)
	if err != nil {
		return Event{}, err
	}
	return Event{Schema: schema, Body: body}, nil
}

// unframe finds what a message names its schema by, and where its Avro bytes are.
func unframe(value, header []byte) (schemaKey, []byte, error) {
	if len(header) > 0 {
		key, err := inHeader(header)
		return key, value, err
	}
	if len(value) < frameLength {
		return schemaKey{}, nil, fmt.Errorf("%w: %d bytes are too few for the frame of a schema registry", ErrMalformed, len(value))
	}
	if value[0] == glueMagic {
		return schemaKey{}, nil, fmt.Errorf("%w: the first byte is %#02x, which begins the frame of the AWS Glue Schema Registry; only frames of Confluent-compatible registries are read", ErrMalformed, value[0])
	}
	if value[0] != frameMagic {
		return schemaKey{}, nil, fmt.Errorf("%w: the first byte is %#02x, not the 0x00 of a schema registry's frame", ErrMalformed, value[0])
	}
	id, body := uint64(binary.BigEndian.Uint32(value[1:frameLength])), value[frameLength:]
	if id == 0 && len(value) >= longFrameLength {
		id, body = binary.BigEndian.Uint64(value[1:longFrameLength]), value[longFrameLength:]
	}
	if id == 0 {
		return schemaKey{}, nil, fmt.Errorf("%w: its frame names schema id 0, which no registry gives", ErrMalformed)
	}
	return schemaKey{id: id}, body, nil
}

// inHeader reads what Confluent's HeaderSchemaIdSerializer writes, and what else its deserializer takes.
func inHeader(header []byte) (schemaKey, error) {
	switch {
	case header[0] == guidMagic && len(header) == 1+len(GUID{}):
		return schemaKey{guid: GUID(header[1:])}, nil
	case header[0] == frameMagic && len(header) == frameLength && binary.BigEndian.Uint32(header[1:]) > 0:
		return schemaKey{id: uint64(binary.BigEndian.Uint32(header[1:]))}, nil
	}
	return schemaKey{}, fmt.Errorf("%w: header %s is neither 0x01 with a GUID of 16 bytes nor 0x00 with a schema id of 4 bytes", ErrMalformed, HeaderSchemaID)
}

// AppendFrame appends the frame of a schema id, to which the Avro bytes are appended next.
func AppendFrame(dst []byte, id int) []byte {
	return binary.BigEndian.AppendUint32(append(dst, frameMagic), uint32(id))
}
