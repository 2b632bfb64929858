package sink

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/aws/smithy-go"
	"github.com/fxamacker/cbor/v2"
)

// result is what became of one record of a call: it has a code or lies in a shard.
type result struct {
	code, shard []byte
	sequenced   bool // the service says under which number it is stored
}

// errUnsaid is of an entry of which the service says neither that it is stored nor
// why not.
var errUnsaid = errors.New("the answer has an entry without a sequence number and without an error")

// The fields of an entry.
const (
	hasSequence = 1 << iota
	hasShard
	hasCode
	hasMessage
)

// take notes the value of a field.
func (r *result) take(field int, value []byte) {
	switch field {
	case hasSequence:
		r.sequenced = len(value) > 0
	case hasShard:
		r.shard = value
	case hasCode:
		r.code = value
	}
}

// said tells whether the service says anything of the record.
func (r *result) said() bool { return r.sequenced || len(r.code) > 0 }

// fieldOf is the bit of an entry's field; 0: there is none of that name.
func fieldOf(name []byte) int {
	switch string(name) {
	case "SequenceNumber":
		return hasSequence
	case "ShardId":
		return hasShard
	case "ErrorCode":
		return hasCode
	case "ErrorMessage":
		return hasMessage
	}
	return 0
}

// answerShape is an answer as libraries read it, where it is not the usual one.
type answerShape struct {
	Records []struct {
		SequenceNumber, ShardId, ErrorCode string
	}
}

// appendResults appends the results of an answer, in CBOR or in JSON. They lie in
// it where it is as usual.
func appendResults(dst []result, answer []byte, binary bool) ([]result, error) {
	s := scanner{rest: answer, binary: binary}
	if results, ok := s.answer(dst); ok {
		return results, nil
	}
	return appendUnusual(dst, answer, binary)
}

// appendUnusual is appendResults by libraries.
func appendUnusual(dst []result, answer []byte, binary bool) ([]result, error) {
	var shape answerShape
	read := json.Unmarshal
	if binary {
		read = strictCBOR.Unmarshal
	}
	if err := read(answer, &shape); err != nil {
		return dst, err
	}
	for _, e := range shape.Records {
		r := result{[]byte(e.ErrorCode), []byte(e.ShardId), e.SequenceNumber != ""}
		if !r.said() {
			return dst, errUnsaid
		}
		dst = append(dst, r)
	}
	return dst, nil
}

// strictCBOR reads no map that has a key twice.
var strictCBOR = func() cbor.DecMode {
	mode, err := cbor.DecOptions{DupMapKey: cbor.DupMapKeyEnforcedAPF}.DecMode()
	if err != nil {
		panic(err) // the options are constants
	}
	return mode
}()

// refusal is the error of a call that was refused, as the SDK has it: by the header
// if it names a code, else by the body. A body that is none of the service's gives
// no code of it.
func refusal(header string, answer []byte, binary bool) error {
	var shape struct {
		Type    string `json:"__type"`
		Message string
		Code    any
	}
	var err error
	switch {
	case len(answer) == 0:
	case binary:
		err = strictCBOR.Unmarshal(answer, &shape)
	default:
		if err = json.NewDecoder(bytes.NewReader(answer)).Decode(&shape); errors.Is(err, io.EOF) {
			err = nil
		}
	}
	if err != nil {
		return &smithy.DeserializationError{Err: fmt.Errorf("read the error: %w", err)}
	}
	code := header
	if code == "" {
		code = shape.Type
	}
	if text, ok := shape.Code.(string); ok && code == "" {
		code = text
	}
	// com.amazonaws.kinesis#AccessDeniedException:http://…
	code, _, _ = strings.Cut(code, ":")
	if _, name, found := strings.Cut(code, "#"); found {
		code = name
	}
	const unknown = "UnknownError"
	if code == "" {
		code = unknown
	}
	if shape.Message == "" {
		shape.Message = unknown
	}
	return &smithy.GenericAPIError{Code: code, Message: shape.Message}
}
