package sink

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/fxamacker/cbor/v2"
)

// sentBody is a PutRecords body as a service reads it.
type sentBody struct {
	Records []struct {
		Data         []byte
		PartitionKey string
	}
	StreamName, StreamARN string
}

// readBody is what libraries read of a body that was written for a stream.
func readBody(tb testing.TB, protocol, stream string, data []byte, keys ...string) sentBody {
	tb.Helper()
	w, read := wireOf(protocol), json.Unmarshal
	if protocol == ProtocolCBOR {
		read = strictCBOR.Unmarshal
	}
	text := w.begin(nil)
	room := 0
	for i, key := range keys {
		if i > 0 {
			text = append(text, w.separator...)
		}
		text = w.record(text, data, key)
		room += w.room(len(data), len(key))
	}
	if frame := len(w.end(w.begin(nil), "")); strings.ToValidUTF8(strings.Join(keys, ""), "") == strings.Join(keys, "") && isPlain([]byte(strings.Join(keys, ""))) && len(text) > room+frame {
		tb.Errorf("%s: %d bytes, where %d were reckoned with", protocol, len(text), room+frame)
	}
	var got sentBody
	if err := read(w.end(text, stream), &got); err != nil {
		tb.Fatalf("%s: %v", protocol, err)
	}
	return got
}

func checkBody(tb testing.TB, stream string, data []byte, keys ...string) {
	tb.Helper()
	for _, protocol := range []string{ProtocolJSON, ProtocolCBOR} {
		got := readBody(tb, protocol, stream, data, keys...)
		if named := got.StreamName + got.StreamARN; named != string([]rune(stream)) || (got.StreamARN != "") != strings.HasPrefix(stream, "arn:") {
			tb.Errorf("%s: %q is named %q", protocol, stream, named)
		}
		if len(got.Records) != len(keys) {
			tb.Fatalf("%s: %d records of %d", protocol, len(got.Records), len(keys))
		}
		for i, r := range got.Records {
			if want := string([]rune(keys[i])); r.PartitionKey != want || !bytes.Equal(r.Data, data) {
				tb.Errorf("%s: %q with %d bytes, want %q with %d", protocol, r.PartitionKey, len(r.Data), want, len(data))
			}
		}
	}
}

func TestABodyIsWhatLibrariesReadOfIt(t *testing.T) {
	for _, size := range []int{0, 1, 2, 23, 24, 255, 256, 65535, 65536, 1 << 20} {
		checkBody(t, "leads", bytes.Repeat([]byte{0xff}, size), "a", strings.Repeat("k", min(size, 256)), "é\x00\"\\\u2028")
	}
	checkBody(t, "arn:aws:kinesis:us-east-1:123456789012:stream/leads", nil, "broken \xff\xfe UTF-8")
	checkBody(t, "leads", nil)
}

func TestPlainIsWhatJSONWritesAsItIs(t *testing.T) {
	for b := range 256 {
		for size := range 20 {
			text := bytes.Repeat([]byte("~"), size+1)
			text[size/2] = byte(b)
			want := b >= ' ' && b < 0x80 && b != '"' && b != '\\'
			if got := isPlain(text); got != want {
				t.Errorf("%q: %v", text, got)
			}
		}
	}
}

func FuzzBody(f *testing.F) {
	f.Add("leads", []byte("data"), "key", "é\xff")
	f.Add("arn:x", []byte{}, "", "\x00\"")
	f.Fuzz(func(t *testing.T, stream string, data []byte, a, b string) { checkBody(t, stream, data, a, b) })
}

// FuzzResults: what the scanner takes, libraries read the same.
func FuzzResults(f *testing.F) {
	entries := []any{
		map[string]any{"SequenceNumber": "496", "ShardId": "shardId-000000000000"},
		map[string]any{"ErrorCode": "InternalFailure", "ErrorMessage": "Internal service failure."},
		map[string]any{"SequenceNumber": "496", "ShardId": "s", "ErrorCode": nil, "ErrorMessage": nil},
	}
	for _, answer := range []any{
		map[string]any{"EncryptionType": "KMS", "FailedRecordCount": 1, "Records": entries},
		map[string]any{"FailedRecordCount": 300, "Records": []any{}},
		map[string]any{},
		[]any{},
		"x",
		map[string]any{"Records": []any{map[string]any{}}, "More": true},
	} {
		text, _ := json.Marshal(answer)
		item, _ := cbor.Marshal(answer)
		f.Add(text, false)
		f.Add(item, true)
	}
	f.Add([]byte("\xbf\x67Records\x9f\xbf\x67ShardId\x61s\x6eSequenceNumber\x6149\xff\xff\xff"), true)
	f.Add([]byte(` { "Records" : [ { "ErrorCode" : null , "SequenceNumber" : "1" } , { "ErrorCode" : "A" } ] } `), false)
	f.Fuzz(func(t *testing.T, answer []byte, binary bool) {
		s := scanner{rest: answer, binary: binary}
		fast, ok := s.answer(nil)
		slow, err := appendUnusual(nil, answer, binary)
		if !ok {
			return
		}
		if err != nil || len(fast) != len(slow) {
			t.Fatalf("%d results, the library has %d, %v", len(fast), len(slow), err)
		}
		for i := range fast {
			if string(fast[i].code) != string(slow[i].code) || string(fast[i].shard) != string(slow[i].shard) || fast[i].sequenced != slow[i].sequenced {
				t.Errorf("%d: %q %q, the library has %q %q", i, fast[i].code, fast[i].shard, slow[i].code, slow[i].shard)
			}
		}
	})
}

func TestAnAnswerIsReadWhateverItsForm(t *testing.T) {
	for _, c := range []struct {
		text  string
		want  string
		usual bool // read in place
	}{
		{`{"FailedRecordCount":0,"Records":[{"SequenceNumber":"1","ShardId":"a"},{"ErrorCode":"B","ErrorMessage":"m"}]}`, "a/ /B", true},
		{` {"EncryptionType":null, "Records":[ {"ErrorCode":null,"ErrorMessage":null,"ShardId":"a","SequenceNumber":"1"} ] } `, "a/", true},
		{`{"Records":[]}`, "", true},
		{`{"Records":[{"SequenceNumber":"1","ShardId":"\u0061","New":{"x":[1]}}],"Later":[{}]}`, "a/", false},
		{`{"Records":[{"ErrorCode":"B","ErrorMessage":"a \"quote\""}]}`, "/B", false},
		{`{"Records":[{"SequenceNumber":"1","ShardId":"a"}, {"SequenceNumber":"2","ShardId":"b","ErrorCode":"B"},{"SequenceNumber":"3","ShardId":"c" }]}`, "a/ b/B c/", true},
		{`{"Records":[{"SequenceNumber":"1","ShardId":"a\u0062"},{"SequenceNumber":"1","ShardId":"é"}]}`, "ab/ é/", false},
		{`{"Records":[{"SequenceNumber":"","ShardId":"a"}]}`, errUnsaid.Error(), false},
		{`{"Records":[{"ShardId":"a"}]}`, errUnsaid.Error(), false},
		{`{"Records":[{}]}`, errUnsaid.Error(), false},
		{`{"Records":[{"ErrorCode":"","SequenceNumber":""}]}`, errUnsaid.Error(), false},
		{`<html>`, "invalid character '<' looking for beginning of value", false},
		{`{"Records":[{"SequenceNumber":"1"}]`, "unexpected end of JSON input", false},
	} {
		s := scanner{rest: []byte(c.text)}
		if _, usual := s.answer(nil); usual != c.usual {
			t.Errorf("%s: read in place: %v", c.text, usual)
		}
		results, err := appendResults(nil, []byte(c.text), false)
		if got := told(results, err); got != c.want {
			t.Errorf("%s: %s, want %s", c.text, got, c.want)
		}
		var tree any
		if json.Unmarshal([]byte(c.text), &tree) != nil {
			continue
		}
		item, _ := cbor.Marshal(tree)
		results, err = appendResults(nil, item, true)
		if got := told(results, err); got != c.want {
			t.Errorf("%s in CBOR: %s, want %s", c.text, got, c.want)
		}
	}
}

func told(results []result, err error) string {
	if err != nil {
		return err.Error()
	}
	var all []string
	for _, r := range results {
		all = append(all, fmt.Sprintf("%s/%s", r.shard, r.code))
	}
	return strings.Join(all, " ")
}

func TestARefusalMeansTheSameInBothForms(t *testing.T) {
	for code, want := range verdicts {
		shape := map[string]any{"__type": "com.amazonaws.kinesis#" + code, "message": "because"}
		text, _ := json.Marshal(shape)
		item, _ := cbor.Marshal(shape)
		for form, err := range map[string]error{
			"JSON": refusal("", text, false), "CBOR": refusal("", item, true), "header": refusal(code+":http://internal.amazon.com/coral/", nil, false),
		} {
			v, shown := classify("PutRecords", err)
			if v != want || !strings.Contains(shown.Error(), code) {
				t.Errorf("%s, %s: %v %v", code, form, v, shown)
			}
			if form != "header" && v.action == hold && !strings.Contains(shown.Error(), "because") {
				t.Errorf("%s, %s: %v", code, form, shown)
			}
		}
	}
	for _, binary := range []bool{false, true} {
		if v, _ := classify("PutRecords", refusal("", []byte("<html>"), binary)); v.action != again {
			t.Errorf("a proxy's page: %v", v)
		}
		if v, _ := classify("PutRecords", refusal("", nil, binary)); v.reason != retryInternal {
			t.Errorf("nothing at all: %v", v)
		}
	}
	if err := refusal("", []byte("\xa1\x66__type\xc1\x01"), true); errors.As(err, new(interface{ ErrorCode() string })) {
		t.Errorf("a code that is no text: %v", err)
	}
}
