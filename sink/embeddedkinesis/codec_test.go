package embeddedkinesis_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"

	"kinesis-destination/sink/embeddedkinesis"
)

// ask makes a signed call with a body as it stands.
func ask(t *testing.T, endpoint, operation, contentType string, body []byte) (status int, answer []byte) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, endpoint, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", contentType)
	r.Header.Set("X-Amz-Target", "Kinesis_20131202."+operation)
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=AKID/x")
	r.Header.Set("X-Amz-Date", time.Now().UTC().Format("20060102T150405Z"))
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	if answer, err = io.ReadAll(response.Body); err != nil {
		t.Fatal(err)
	}
	if response.StatusCode != http.StatusNotFound && response.Header.Get("Content-Type") != contentType {
		t.Errorf("%s was answered in %s", contentType, response.Header.Get("Content-Type"))
	}
	return response.StatusCode, answer
}

const cborType = "application/x-amz-cbor-1.1"

func TestCBORIsReadStrictly(t *testing.T) {
	s := embeddedkinesis.New(embeddedkinesis.Options{})
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	s.Create(embeddedkinesis.Stream{Name: "s", Shards: 1})
	record := func(data, key string) string {
		return "\xbf\x67Records\x9f\xbf\x64Data" + data + "\x6cPartitionKey" + key + "\xff\xff\x6aStreamName\x61s\xff"
	}
	for what, body := range map[string]string{
		"a text as data":         record("\x61d", "\x61k"),
		"bytes as a key":         record("\x41d", "\x41k"),
		"a key that is no UTF-8": record("\x41d", "\x61\xff"),
		"a field twice":          "\xbf\x6aStreamName\x61s\x6aStreamName\x61s\xff",
		"no end":                 record("\x41d", "\x61k")[:20],
		"more than an object":    record("\x41d", "\x61k") + "\x00",
		"JSON":                   `{"StreamName":"s"}`,
		"nothing":                "",
	} {
		status, answer := ask(t, server.URL, "PutRecords", cborType, []byte(body))
		var refused struct {
			Type string `cbor:"__type"`
		}
		if err := cbor.Unmarshal(answer, &refused); err != nil || status != http.StatusBadRequest || refused.Type != "SerializationException" {
			t.Errorf("%s: %d %s, %v", what, status, refused.Type, err)
		}
	}
	if status, _ := ask(t, server.URL, "PutRecords", cborType, []byte(record("\x41d", "\x61k"))); status != http.StatusOK || len(s.History("s")) != 1 {
		t.Errorf("%d, %d stored", status, len(s.History("s")))
	}
}

func TestAContentTypeThatIsNotKnownIsNoCall(t *testing.T) {
	server := httptest.NewServer(embeddedkinesis.New(embeddedkinesis.Options{}))
	t.Cleanup(server.Close)
	for _, contentType := range []string{"", "text/plain", "application/cbor", "application/x-amz-json-1.0"} {
		if status, _ := ask(t, server.URL, "ListStreams", contentType, []byte("{}")); status != http.StatusNotFound {
			t.Errorf("%q: %d", contentType, status)
		}
	}
}

// Times are as the Java SDK has them: milliseconds under the tag 1, where RFC 8949
// has seconds.
func TestTimesInCBORAreMilliseconds(t *testing.T) {
	s := embeddedkinesis.New(embeddedkinesis.Options{})
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	s.Create(embeddedkinesis.Stream{Name: "s", Shards: 1})
	_, answer := ask(t, server.URL, "DescribeStreamSummary", cborType, []byte("\xa1\x6aStreamName\x61s"))
	var out struct {
		StreamDescriptionSummary struct{ StreamCreationTimestamp cbor.RawTag }
	}
	if err := cbor.Unmarshal(answer, &out); err != nil {
		t.Fatal(err)
	}
	var at int64
	tag := out.StreamDescriptionSummary.StreamCreationTimestamp
	if err := cbor.Unmarshal(tag.Content, &at); err != nil || tag.Number != 1 || time.Since(time.UnixMilli(at)).Abs() > time.Minute {
		t.Errorf("tag %d, %d, %v", tag.Number, at, err)
	}
	for what, c := range map[string]struct {
		timestamp string
		status    int
	}{
		"milliseconds under the tag 1": {"\xc1\x1b\x00\x00\x01\xa0\x13\xac\xcc\x38", http.StatusOK},
		"without a tag":                {"\x1b\x00\x00\x01\xa0\x13\xac\xcc\x38", http.StatusBadRequest},
		"of another tag":               {"\xc2\x41\x01", http.StatusBadRequest},
	} {
		in := "\xbf\x6aStreamName\x61s\x67ShardId\x74shardId-000000000000\x71ShardIteratorType\x6cAT_TIMESTAMP\x69Timestamp" + c.timestamp + "\xff"
		if status, answer := ask(t, server.URL, "GetShardIterator", cborType, []byte(in)); status != c.status {
			t.Errorf("%s: %d %q", what, status, answer)
		}
	}
}
