package sink_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"

	"kinesis-destination/sink"
)

// inEachProtocol runs a story in JSON and in CBOR.
func inEachProtocol(t *testing.T, story func(t *testing.T, protocol string)) {
	t.Helper()
	for _, protocol := range []string{sink.ProtocolJSON, sink.ProtocolCBOR} {
		t.Run(protocol, func(t *testing.T) { story(t, protocol) })
	}
}

// inCBOR lets the SDK, which speaks JSON only, call in CBOR as the Java SDK does:
// blobs are bytes, times are milliseconds under the tag 1.
type inCBOR struct{ next http.RoundTripper }

const cborType = "application/x-amz-cbor-1.1"

// RoundTrip implements http.RoundTripper.
func (i inCBOR) RoundTrip(r *http.Request) (*http.Response, error) {
	text, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	var in any
	if err := json.Unmarshal(text, &in); err != nil {
		return nil, err
	}
	data, err := cbor.Marshal(toCBOR("", in))
	if err != nil {
		return nil, err
	}
	r = r.Clone(r.Context())
	r.Header.Set("Content-Type", cborType)
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(data)), int64(len(data))
	response, err := i.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	answer, err := io.ReadAll(response.Body)
	_ = response.Body.Close() // it is read
	if err != nil {
		return nil, err
	}
	if len(answer) > 0 {
		if got := response.Header.Get("Content-Type"); got != cborType {
			return nil, fmt.Errorf("a call in CBOR was answered in %q", got)
		}
		var out any
		if err := cbor.Unmarshal(answer, &out); err != nil {
			return nil, err
		}
		if answer, err = json.Marshal(toJSON(out)); err != nil {
			return nil, err
		}
	}
	response.Header.Set("Content-Type", "application/x-amz-json-1.1")
	response.Header.Del("Content-Length")
	response.Body, response.ContentLength = io.NopCloser(bytes.NewReader(answer)), int64(len(answer))
	return response, nil
}

func toCBOR(name string, v any) any {
	switch v := v.(type) {
	case map[string]any:
		for field, value := range v {
			v[field] = toCBOR(field, value)
		}
	case []any:
		for i := range v {
			v[i] = toCBOR(name, v[i])
		}
	case string:
		if name == "Data" {
			data, err := base64.StdEncoding.DecodeString(v)
			if err != nil {
				panic(err) // the SDK wrote it
			}
			return data
		}
	case float64:
		if strings.HasSuffix(name, "Timestamp") {
			return cbor.Tag{Number: 1, Content: int64(math.Round(v * 1000))}
		}
		if v == math.Trunc(v) {
			return int64(v)
		}
	}
	return v
}

func toJSON(v any) any {
	switch v := v.(type) {
	case map[any]any:
		fields := make(map[string]any, len(v))
		for field, value := range v {
			fields[field.(string)] = toJSON(value)
		}
		return fields
	case []any:
		for i := range v {
			v[i] = toJSON(v[i])
		}
	case []byte:
		return base64.StdEncoding.EncodeToString(v)
	case time.Time: // what the library made of the tag 1, taking milliseconds for seconds
		return float64(v.Unix()) / 1000
	}
	return v
}
