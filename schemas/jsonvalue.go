package schemas

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// maxJSONDepth bounds how deep a JSON text may nest.
const maxJSONDepth = 1000

type jsonKind uint8

const (
	jsonNull jsonKind = iota
	jsonBool
	jsonNumber
	jsonString
	jsonArray
	jsonObject
)

// jsonValue is a JSON value that remembers the order of its members, which a Go map does not.
type jsonValue struct {
	kind  jsonKind
	flag  bool
	text  string // of a string, decoded; of a number, as written
	keys  []string
	items []*jsonValue // of an array, or of an object beside its keys
	// preset: it is of a default in a schema, which is Avro JSON and no person's.
	preset bool
}

func (v *jsonValue) markPreset() {
	v.preset = true
	for _, item := range v.items {
		item.markPreset()
	}
}

func parseJSON(text []byte) (*jsonValue, error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	value, err := readJSON(decoder, 0)
	if err != nil {
		return nil, err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("text after the first value")
	}
	return value, nil
}

func readJSON(decoder *json.Decoder, depth int) (*jsonValue, error) {
	if depth > maxJSONDepth {
		return nil, fmt.Errorf("nested deeper than %d", maxJSONDepth)
	}
	token, err := decoder.Token()
	if err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	switch token := token.(type) {
	case json.Delim:
		return readNested(decoder, token, depth)
	case string:
		return &jsonValue{kind: jsonString, text: token}, nil
	case json.Number:
		return &jsonValue{kind: jsonNumber, text: token.String()}, nil
	case bool:
		return &jsonValue{kind: jsonBool, flag: token}, nil
	default:
		return &jsonValue{kind: jsonNull}, nil
	}
}

func readNested(decoder *json.Decoder, opening json.Delim, depth int) (*jsonValue, error) {
	value := &jsonValue{kind: jsonArray}
	if opening == '{' {
		value.kind = jsonObject
	}
	for decoder.More() {
		if value.kind == jsonObject {
			key, err := decoder.Token()
			if err != nil {
				return nil, err
			}
			value.keys = append(value.keys, key.(string)) // the decoder lets nothing else be a key
		}
		item, err := readJSON(decoder, depth+1)
		if err != nil {
			return nil, err
		}
		value.items = append(value.items, item)
	}
	_, err := decoder.Token() // the closing bracket
	return value, err
}
