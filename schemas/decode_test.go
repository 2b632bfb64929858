package schemas

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"kinesis-destination/schemas/credentials"
)

func TestRawMessagesAreOfTheSchemaFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "event.avsc")
	if err := os.WriteFile(path, SegmentEvaluation, 0o600); err != nil {
		t.Fatal(err)
	}
	d, err := NewDecoder(Config{SchemaFile: path}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if d.Registry() != nil {
		t.Error("a schema file makes a registry")
	}
	event, err := d.Decode(context.Background(), []byte{0, 1, 2}, nil)
	if err != nil || string(event.Body) != "\x00\x01\x02" || event.Schema.Origin != "schemaFile "+path {
		t.Errorf("%v %x %s", err, event.Body, event.Schema.Origin)
	}
}

// TestRegistryDecidesTheFraming: beside a registry, the schema file only tells labels.
func TestRegistryDecidesTheFraming(t *testing.T) {
	d, err := NewDecoder(Config{Registry: &RegistryConfig{URL: "http://localhost:1"}, SchemaFile: "segment-evaluation.avsc"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Decode(context.Background(), []byte("raw Avro"), nil); !errors.Is(err, ErrMalformed) {
		t.Error(err)
	}
}

func TestDecoderNeedsASource(t *testing.T) {
	for _, c := range []Config{
		{},
		{SchemaFile: "nowhere.avsc"},
		{SchemaFile: "decode.go"},
		{Registry: &RegistryConfig{URL: "localhost:8081"}},
	} {
		if _, err := NewDecoder(c, nil); err == nil {
			t.Errorf("%+v makes a decoder", c)
		}
	}
}

func TestFramesThatAreNoneAreMalformed(t *testing.T) {
	d, err := NewDecoder(Config{Registry: &RegistryConfig{URL: "http://localhost:1"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, value := range []string{"", "\x00\x00\x00\x00", "{\"json\": 1}", "\x01\x00\x00\x00\x01\x00"} {
		if _, err := d.Decode(context.Background(), []byte(value), nil); !errors.Is(err, ErrMalformed) || !IsMessageFault(err) {
			t.Errorf("%q: %v", value, err)
		}
	}
}

func fixed(value string) credentials.Secret { return func() (string, error) { return value, nil } }

func TestAFrameOfGlueIsSaidToBeThat(t *testing.T) {
	d, err := NewDecoder(Config{Registry: &RegistryConfig{URL: "http://localhost:1"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = d.Decode(context.Background(), append([]byte{3, 0}, make([]byte, 20)...), nil)
	if !errors.Is(err, ErrMalformed) || !strings.Contains(err.Error(), "AWS Glue") {
		t.Error(err)
	}
}

func TestFrameIsConfluents(t *testing.T) {
	if got := AppendFrame([]byte("x"), 0x01020304); string(got) != "x\x00\x01\x02\x03\x04" {
		t.Errorf("%x", got)
	}
}

func TestConfigurationMistakesAreReportedTogether(t *testing.T) {
	for _, c := range []struct {
		config Config
		want   []string
	}{
		{Config{}, []string{"schemaRegistry"}},
		{Config{SchemaFile: "nowhere.avsc"}, []string{"schemaFile"}},
		{Config{SchemaFile: "decode.go"}, []string{"schemaFile"}},
		{Config{SchemaFile: "segment-evaluation.avsc"}, nil},
		{Config{Registry: &RegistryConfig{URL: "http://host", Password: fixed("p")}}, []string{"schemaRegistry.username"}},
		{Config{Registry: &RegistryConfig{URL: "http://host", Username: fixed("u")}}, nil},
		{Config{Registry: &RegistryConfig{URL: "http://host", Username: fixed("u"), Password: fixed("p"), BearerToken: fixed("t")}}, []string{"schemaRegistry.bearerToken"}},
		{Config{Registry: &RegistryConfig{}}, []string{"schemaRegistry.url"}},
		{Config{Registry: &RegistryConfig{URL: "http://a, http://b:1/x/"}}, nil},
		{Config{Registry: &RegistryConfig{URL: "http://a,,http://b"}}, []string{"schemaRegistry.url"}},
		{Config{Registry: &RegistryConfig{URL: "http://a", TLS: RegistryTLS{CAFile: "ca.pem"}}}, []string{"schemaRegistry.tls"}},
		{Config{Registry: &RegistryConfig{URL: "https://a", TLS: RegistryTLS{CAFile: "gone.pem"}}}, []string{"schemaRegistry.tls.caFile"}},
		{Config{Registry: &RegistryConfig{URL: "https://a", TLS: RegistryTLS{CertFile: "decode.go"}}}, []string{"schemaRegistry.tls.certFile"}},
		{Config{Registry: &RegistryConfig{URL: "ftp://host"}}, []string{"schemaRegistry.url"}},
		{Config{Registry: &RegistryConfig{URL: "http://u:p@host"}}, []string{"schemaRegistry.url"}},
		{Config{Registry: &RegistryConfig{URL: "http://host/?a=b"}}, []string{"schemaRegistry.url"}},
		{Config{Registry: &RegistryConfig{URL: "http://host/apis/ccompat/v7", Username: fixed("u"), Password: fixed("p")}}, nil},
	} {
		var got []string
		c.config.Validate(func(path, _ string) { got = append(got, path) })
		if !slices.Equal(got, c.want) {
			t.Errorf("%+v: %v, want %v", c.config, got, c.want)
		}
	}
}

func TestManyUnknownSchemasAreNotKept(t *testing.T) {
	r := refusals{byKey: map[schemaKey]refusal{}}
	for id := range uint64(3 * maxUnknown) {
		r.weigh(schemaKey{id: id}, ErrInvalidSchema, 0)
		if len(r.byKey) > maxUnknown || r.believed(schemaKey{id: id}) == nil {
			t.Fatalf("after %d ids: %d are kept", id, len(r.byKey))
		}
	}
}
