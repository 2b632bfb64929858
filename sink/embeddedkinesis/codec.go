package embeddedkinesis

import (
	"encoding/json"
	"math"
	"mime"
	"net/http"
	"strconv"
	"time"

	"github.com/fxamacker/cbor/v2"
)

// codec is a form in which calls are made and answered: the JSON that most SDKs
// speak, or the CBOR of the Java one.
type codec struct {
	contentType string
	unmarshal   func([]byte, any) error
	marshal     func(any) ([]byte, error)
}

var (
	jsonCodec = &codec{"application/x-amz-json-1.1", json.Unmarshal, json.Marshal}
	cborCodec = &codec{"application/x-amz-cbor-1.1", strictCBOR(), cbor.Marshal}
)

// strictCBOR reads names as they are written, and none twice. A text is no blob,
// nor a blob a text.
func strictCBOR() func([]byte, any) error {
	mode, err := cbor.DecOptions{DupMapKey: cbor.DupMapKeyEnforcedAPF, FieldNameMatching: cbor.FieldNameMatchingCaseSensitive}.DecMode()
	if err != nil {
		panic(err) // the options are constants
	}
	return mode.Unmarshal
}

// codecOf is the form of a call; nil: the service does not know it.
func codecOf(r *http.Request) *codec {
	mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil {
		return nil
	}
	for _, c := range []*codec{jsonCodec, cborCodec} {
		if mediaType == c.contentType {
			return c
		}
	}
	return nil
}

// instant is a time as the service writes it: in JSON as seconds with a fraction,
// in CBOR, otherwise than RFC 8949 has it, as milliseconds under the tag 1.
type instant struct{ time.Time }

// epochTag is CBOR's tag of a time.
const epochTag = 1

// MarshalJSON implements json.Marshaler.
func (i instant) MarshalJSON() ([]byte, error) {
	return strconv.AppendFloat(nil, float64(i.UnixMilli())/1000, 'f', -1, 64), nil
}

// UnmarshalJSON implements json.Unmarshaler.
func (i *instant) UnmarshalJSON(text []byte) error {
	var seconds float64
	if err := json.Unmarshal(text, &seconds); err != nil {
		return err
	}
	i.Time = time.UnixMilli(int64(math.Round(seconds * 1000)))
	return nil
}

// MarshalCBOR implements cbor.Marshaler.
func (i instant) MarshalCBOR() ([]byte, error) {
	return cbor.Marshal(cbor.Tag{Number: epochTag, Content: i.UnixMilli()})
}

// UnmarshalCBOR implements cbor.Unmarshaler.
func (i *instant) UnmarshalCBOR(item []byte) error {
	var tagged cbor.RawTag
	if err := cbor.Unmarshal(item, &tagged); err != nil {
		return err
	}
	var milliseconds int64
	if err := cbor.Unmarshal(tagged.Content, &milliseconds); err != nil || tagged.Number != epochTag {
		return &cbor.UnmarshalTypeError{CBORType: "tag", GoType: "milliseconds under the tag 1"}
	}
	i.Time = time.UnixMilli(milliseconds)
	return nil
}
