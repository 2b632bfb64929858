package schemas

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/http"
)

// The Confluent wire format: a zero byte, four bytes of schema id, then Avro.
const (
	frameMagic  = 0x00
	frameLength = 5
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

// Decode finds a message's schema and the Avro bytes, which it does not look into. An error that is ErrMalformed,
// ErrUnknownSchema or ErrInvalidSchema is about the message. Any other means that the registry cannot answer now: call
// again later, with the same message.
func (d *Decoder) Decode(ctx context.Context, value []byte) (Event, error) {
	if d.file != nil {
		return Event{Schema: d.file, Body: value}, nil
	}
	if len(value) < frameLength {
		return Event{}, fmt.Errorf("%w: %d bytes are too few for the frame of a schema registry", ErrMalformed, len(value))
	}
	if value[0] == glueMagic {
		return Event{}, fmt.Errorf("%w: the first byte is %#02x, which begins the frame of the AWS Glue Schema Registry; only frames of Confluent-compatible registries are read", ErrMalformed, value[0])
	}
	if value[0] != frameMagic {
		return Event{}, fmt.Errorf("%w: the first byte is %#02x, not the 0x00 of a schema registry's frame", ErrMalformed, value[0])
	}
	schema, err := d.registry.ByID(ctx, int(binary.BigEndian.Uint32(value[1:frameLength])))
	if err != nil {
		return Event{}, err
	}
	return Event{Schema: schema, Body: value[frameLength:]}, nil
}

// AppendFrame appends the frame of a schema id, to which the Avro bytes are appended next.
func AppendFrame(dst []byte, id int) []byte {
	return binary.BigEndian.AppendUint32(append(dst, frameMagic), uint32(id))
}
