package sink

import (
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"

	"kinesis-destination/sink/embeddedkinesis"
)

// AWS offers HTTP/2. A client that takes the offer and then speaks HTTP/1.1 gets
// no answer at all; over HTTP/2 all lanes would share a connection.
func TestAStreamThatOffersHTTP2IsSpokenToInHTTP1(t *testing.T) {
	stream := embeddedkinesis.New(embeddedkinesis.Options{})
	stream.Create(embeddedkinesis.Stream{Name: "leads", Shards: 1})
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor != 1 {
			t.Errorf("a request came in %s", r.Proto)
		}
		stream.ServeHTTP(w, r)
	}))
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	bundle := filepath.Join(t.TempDir(), "ca.pem")
	authority := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(bundle, authority, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("AWS_CA_BUNDLE", bundle)
	cfg := Config{Region: "us-east-1", Endpoint: server.URL}
	cfg.Credentials.AccessKeyID, cfg.Credentials.SecretAccessKey = fixed("AKID"), fixed("SECRET")
	c, err := newClient(t.Context(), cfg, Options{Lanes: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	if _, err := c.api.ListShards(t.Context(), &kinesis.ListShardsInput{StreamName: aws.String("leads")}); err != nil {
		t.Error(err)
	}
}
